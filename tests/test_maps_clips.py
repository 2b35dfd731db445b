"""Maps and numbers of clips: a pulse that was planted is found, what stands still has none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import UsageError
from facedata.datasets.framing import Framing
from facedata.datasets.ingest import ingest, ingest_reader
from facedata.datasets.inputs import Reading
from facedata.datasets.versions.filter import filter_rows
from facedata.recipes.maps import MAPS, find_map
from facedata.recipes.maps.clips import (
    GRID,
    colour_traces,
    edges_of,
    pulse_of,
    pulse_statistics,
)
from facedata.recipes.maps.frames import clips_of
from facedata.recipes.maps.torch import clips as twin

RATE = 30.0
SKIN = np.array([170.0, 120.0, 100.0])
BEAT = np.array([0.33, 0.77, 0.53])  # how blood changes R, G and B, from the paper of POS


@pytest.fixture(autouse=True)
def one_thread():
    """Let torch use one thread: on a busy machine, several that wait for each other are far slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def clip(
    beats: float, seconds: float = 10, amplitude: float = 0.01, seed: int = 0, side: int = 24
) -> np.ndarray:
    """Skin with a pulse, in light that drifts and flickers, with a sensor's noise, in 8 bits."""
    drawn = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    light = 1 + 0.05 * np.sin(2 * np.pi * 0.11 * time) + 0.02 * np.sin(2 * np.pi * 1.9 * time + 1)
    pulse = amplitude * np.sin(2 * np.pi * beats / 60 * time)
    colour = SKIN * light[:, None] * (1 + pulse[:, None] * BEAT)
    frames = colour[:, None, None, :] * np.linspace(0.8, 1.2, side)[:, None, None]
    frames = frames + drawn.normal(0, 2, (len(time), side, side, 3))
    return np.clip(frames.round(), 0, 255).astype(np.uint8)


def batch(*clips: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(clips)).permute(0, 1, 4, 2, 3).float() / 255


@pytest.mark.parametrize("beats", [48.3, 72.0, 97.7, 151.2])
def test_a_planted_pulse_is_found_within_half_a_beat(beats):
    """Light that flickers at 114 a minute, twice as strong as the pulse, does not draw it away."""
    found = pulse_statistics(pulse_of(colour_traces(clip(beats))[:, 0], RATE), RATE)
    assert found.rate == pytest.approx(beats, abs=0.5)
    assert found.snr > 5
    assert found.lags[0] == pytest.approx(60 / beats * round(found.lags[0] * beats / 60), abs=1.5 / RATE)


def test_without_a_pulse_there_is_no_signal():
    found = pulse_statistics(pulse_of(colour_traces(clip(72, amplitude=0))[:, 0], RATE), RATE)
    assert found.snr < 0


def test_the_signal_to_noise_ratio_is_that_of_theory():
    """A wave of amplitude A in white noise of deviation s: A^2 / 2 against s^2 spread over half the rate.

    The template is 0.1 Hz on either side of 1.5 and of 3 Hz, the rest of the band 10 / 3 Hz less that.
    """
    time = np.arange(1200) / RATE
    wave = 0.5 * np.sin(2 * np.pi * 1.5 * time)
    inside, outside = 0.4, 10 / 3 - 0.4
    wanted = 10 * np.log10((0.125 + 0.25 / 15 * inside) / (0.25 / 15 * outside))
    found = [
        pulse_statistics(wave + np.random.default_rng(seed).normal(0, 0.5, 1200), RATE).snr
        for seed in range(20)
    ]
    assert np.mean(found) == pytest.approx(wanted, abs=0.3)


def test_the_descriptors_of_a_wave_and_of_a_slope():
    time = np.arange(300) / RATE
    wave = pulse_statistics(np.sin(2 * np.pi * 1.0 * time), RATE)
    assert (wave.minimum, wave.maximum) == pytest.approx((-np.sqrt(2), np.sqrt(2)), abs=0.01)
    assert wave.median == pytest.approx(0, abs=0.01)
    assert wave.lags[0] == 1
    assert set(wave.lags) == {frames / RATE for frames in range(28, 33)}
    slope = pulse_statistics(3 * time + 1e-6 * np.sin(9 * time), RATE)
    assert slope.trend == pytest.approx(1 / time.std(), rel=1e-4)


@pytest.mark.parametrize("signal", [np.full(300, 4.0), np.zeros(20)])
def test_signals_without_a_pulse_are_refused(signal):
    with pytest.raises(UsageError, match=r"does not change|too few"):
        pulse_statistics(signal, RATE)


def test_clips_that_are_none():
    with pytest.raises(UsageError, match="too few"):
        pulse_of(np.ones((3, 40)), RATE)
    with pytest.raises(UsageError, match="not positive"):
        pulse_of(np.ones((3, 40)), 0)
    with pytest.raises(UsageError, match="cannot be cut"):
        colour_traces(np.zeros((3, 4, 9, 3), np.uint8), GRID)
    with pytest.raises(UsageError, match="frames"):
        MAPS["st-map"].numpy(np.zeros((1, 9, 9, 3), np.uint8))
    with pytest.raises(ValueError, match="frames"):
        MAPS["st-map"].batched()(torch.zeros(2, 3, 9, 9))


@pytest.mark.parametrize("name", ["st-map", "temporal-difference"])
def test_twins_agree_within_the_stated_bound(name):
    one = find_map(name)
    clips = [clip(60 + 20 * seed, 2, seed=seed, side=23) for seed in range(2)]
    wanted = np.stack([one.numpy(frames) for frames in clips])
    found = one.batched()(batch(*clips))
    assert found.shape == wanted.shape
    assert np.abs(found.numpy() - wanted).max() <= one.bound
    low, high = one.limits
    assert low <= wanted.min() <= wanted.max() <= high


def test_twins_of_the_pulse_agree():
    clips = [clip(60 + 20 * seed, 5, seed=seed) for seed in range(2)]
    traces = [colour_traces(frames)[:, 0] for frames in clips]
    pulses = np.stack([pulse_of(trace, RATE) for trace in traces])
    found = twin.pulse_of(twin.colour_traces(batch(*clips))[:, :, 0], RATE)
    assert np.abs(found.numpy() - pulses).max() <= 1e-3 * pulses.std()
    statistics = twin.pulse_statistics(torch.from_numpy(pulses), RATE)
    for number, pulse in enumerate(pulses):
        for name, value in dataclasses.asdict(pulse_statistics(pulse, RATE)).items():
            assert statistics[name][number].tolist() == pytest.approx(
                list(value) if isinstance(value, tuple) else value, rel=1e-9
            )
    assert twin.pulse_statistics(torch.ones(1, 60), RATE)["rate"].isnan().all()


def test_averages_of_blocks_are_theirs():
    assert edges_of(7, 3) == [0, 2, 4, 7]
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 15, 3), dtype=np.uint8)
    found = colour_traces(frames, 3)
    assert found[1, 5, 1] == pytest.approx(frames[1, 4:8, 10:15, 1].mean(), rel=1e-6)


def test_an_st_map_shows_where_and_when_something_changes():
    frames = np.full((8, 20, 20, 3), 100, np.uint8)
    frames[3, 4:8, 8:12, 1] = 180  # block (1, 2), green, in the fourth frame
    found = find_map("st-map").numpy(frames)
    assert found.shape == (3, 25, 8)
    assert np.argwhere(found).tolist() == [[1, 7, 3]]
    assert found[1, 7, 3] == 1


def test_what_hardly_changes_is_not_stretched():
    still = np.full((4, 60, 60, 3), 100, np.uint8)
    dim = still.copy()
    dim[2, 0, 0] = 101  # 1 / 144 of a code in the mean of its block
    one = find_map("st-map")
    for frames, most in ((still, 0.0), (dim, 1 / 144 / 0.05)):
        assert one.numpy(frames).max() == pytest.approx(most, rel=1e-3)
        assert one.batched()(batch(frames)).max().item() == pytest.approx(most, rel=1e-3)


def test_temporal_differences_do_not_see_what_is_lit():
    """Two frames that differ by a factor differ by the same share, whatever the colour; black has none."""
    frames = np.array([10, 50, 100, 0], np.uint8)[None, :, None, None] * np.ones((2, 4, 1, 3), np.uint8)
    frames[1] *= 2
    found = find_map("temporal-difference").numpy(frames)
    assert found[0, :, :, 0] == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3, 0]] * 3))


def test_a_temporal_difference_convolution_is_its_formula():
    drawn = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 6, 7, 8, generator=drawn)
    weight, bias = torch.randn(4, 3, 3, 3, 3, generator=drawn), torch.randn(4, generator=drawn)
    plain = torch.nn.functional.conv3d(features, weight, bias, padding=1)
    assert torch.equal(twin.temporal_difference_convolution(features, weight, bias, 0), plain)
    found = twin.temporal_difference_convolution(features, weight, bias, 0.6)
    here, own = features[1, :, 2, 3, 4], weight[:, :, [0, 2]].sum((2, 3, 4))
    assert torch.allclose(found[1, :, 2, 3, 4], plain[1, :, 2, 3, 4] - 0.6 * own @ here, atol=1e-4)
    assert found.shape == (2, 4, 6, 7, 8)


def test_without_weight_on_the_frame_it_sees_only_change():
    weight = torch.zeros(1, 1, 3, 1, 1)
    weight[0, 0, [0, 2]] = 0.5
    steady = torch.arange(6.0).reshape(1, 1, 6, 1, 1).expand(1, 1, 6, 4, 4)
    found = twin.temporal_difference_convolution(steady, weight, theta=1.0)
    assert found[:, :, 1:-1].abs().max() < 1e-6  # what changes evenly is its neighbours' mean
    jump = steady.clone()
    jump[:, :, 3] += 1
    assert twin.temporal_difference_convolution(jump, weight, theta=1.0)[0, 0, 3, 0, 0] == pytest.approx(-1)
    with pytest.raises(ValueError, match="k odd"):
        twin.temporal_difference_convolution(steady, torch.zeros(1, 1, 3, 2, 2))


def written(path: Path, frames: np.ndarray) -> None:
    """Write a video without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = frames.shape[2], frames.shape[1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 30, size)
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()


def test_videos_of_a_dataset_become_clips_with_their_pulse(tmp_path):
    """From files to heart rates: a live face that was filmed, and a photograph of one."""
    live, photo = clip(76, 6, side=16), clip(76, 6, amplitude=0, seed=1, side=16)
    written(tmp_path / "casia/train_release/1/1.avi", live)
    written(tmp_path / "casia/train_release/1/3.avi", photo)
    dataset = tmp_path / "clips"
    ingest_reader("casia-fasd", tmp_path / "casia", dataset, Reading(), Options(), framing=Framing())
    found = {one.label: one for one in clips_of(Dataset.open(dataset))}
    assert np.array_equal(found["live"].frames, live)
    assert np.array_equal(found["spoof"].frames, photo)
    assert found["live"].numbers == tuple(range(180))
    assert found["live"].stride == 1
    statistics = {
        label: pulse_statistics(pulse_of(colour_traces(one.frames)[:, 0], RATE), RATE)
        for label, one in found.items()
    }
    assert statistics["live"].rate == pytest.approx(76, abs=0.5)
    assert statistics["live"].snr > statistics["spoof"].snr + 5
    # curation took a frame: the video parts there, and what is too short is left out
    filter_rows(dataset, "label == 'live' and source.frame != 40", tmp_path / "parted")
    parts = [(one.numbers[0], len(one.numbers)) for one in clips_of(Dataset.open(tmp_path / "parted"))]
    assert parts == [(0, 40), (41, 139)]
    assert len(list(clips_of(Dataset.open(tmp_path / "parted"), least=100))) == 1


def test_a_clip_is_cut_to_the_face_where_boxes_are_known(tmp_path):
    frames = np.zeros((6, 40, 50, 3), np.uint8)
    frames[:, 10:30, 20:36] = 200
    name = "scene01/real/real_client002_laptop_SD_scene01"
    written(tmp_path / f"msu/{name}.avi", frames)
    (tmp_path / f"msu/{name}.avi").rename(tmp_path / f"msu/{name}.mov")
    lines = [f"{number},20,{10 + (number == 3)},36,30,24,15,31,15" for number in range(0, 6, 2)]
    (tmp_path / f"msu/{name}.face").write_text("\n".join(lines) + "\n")
    (tmp_path / "msu/train_sub_list.txt").write_text("02\n")
    (tmp_path / "msu/test_sub_list.txt").write_text("03\n")
    dataset = tmp_path / "clips"
    ingest_reader("msu-mfsd", tmp_path / "msu", dataset, Reading(), Options(), framing=Framing(stride=2))
    (found,) = clips_of(Dataset.open(dataset))
    assert (found.numbers, found.stride) == ((0, 2, 4), 2)
    assert np.array_equal(found.frames, frames[::2, 10:30, 20:36])
    (whole,) = clips_of(Dataset.open(dataset), crop=False)
    assert np.array_equal(whole.frames, frames[::2])


def test_pictures_are_no_clips(faces, tmp_path):
    ingest("folder", faces, tmp_path / "pictures", Reading(), Options())
    with pytest.raises(UsageError, match="no frames of videos"):
        next(clips_of(Dataset.open(tmp_path / "pictures")))
