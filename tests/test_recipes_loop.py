"""The training loop: to the same numbers however often it stops, and safely off the rails."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from recipe_parts import domains, one_thread, tiny
from safetensors.torch import load_file
from torch import nn

from facedata.datasets.ahead import ahead
from facedata.datasets.errors import DatasetError, FacedataError, TargetError, UsageError
from facedata.datasets.pictures import middle_square
from facedata.recipes import logs, loop, states
from facedata.recipes.config import LoopConfig
from facedata.recipes.fas import train_fas
from facedata.recipes.order import Order
from facedata.recipes.pictures import Shelf
from facedata.recipes.schedule import averaging, share_of_rate

__all__ = ["one_thread"]  # a fixture that pytest finds by its name


@dataclass(frozen=True)
class Points:
    """A batch of a straight line: no pictures."""

    x: torch.Tensor
    y: torch.Tensor
    samples: tuple[str, ...]


class Line(nn.Module):
    """A straight line, and what it remembers: how many batches it saw."""

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)
        self.drop = nn.Dropout(drop)
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, batch: Points) -> dict[str, torch.Tensor]:
        if self.training:
            self.batches += 1
        return {"error": (self.line(self.drop(batch.x)) - batch.y).square().mean()}


class Fit:
    """A recipe of no pictures: the loop knows no faces."""

    def __init__(
        self, dev: list[float] | None = None, poison: int | None = None, drop: float = 0.2, **told
    ) -> None:
        self.config = LoopConfig(
            **{"steps": 12, "batch": 4, "warmup": 2, "dev_every": 3, "save_every": 4, "rate": 0.05, **told}
        )
        self.dev, self.poison, self.drop = dev, poison, drop
        self.made: list[int] = []
        self.looked = 0

    def module(self) -> Line:
        return Line(self.drop)

    def batch(self, number: int) -> Points:
        draw = torch.Generator().manual_seed(number)
        x = torch.rand((self.config.batch, 1), generator=draw)
        self.made.append(number)
        y = 3 * x - 1
        if number == self.poison:
            y = y * math.nan
        return Points(x, y, tuple(f"{number}.{place}" for place in range(self.config.batch)))

    def place(self, batch: Points, device: torch.device) -> Points:
        return batch

    def measure(self, module: Line, device: torch.device) -> dict[str, float]:
        if self.dev is None:
            return {"off": float((module.line.weight - 3).abs())}
        self.looked += 1
        return {"told": self.dev[self.looked - 1]}


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def stop_at(step: int):
    def progress(now: int, _total: int, _losses) -> None:
        if now == step:
            raise KeyboardInterrupt

    return progress


def press_at(step: int):
    def progress(now: int, _total: int, _losses) -> None:
        if now == step:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_run_that_was_killed_goes_on_to_the_same_numbers(tmp_path, accumulate):
    whole = loop.train(Fit(accumulate=accumulate), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        loop.train(Fit(accumulate=accumulate), tmp_path / "parts", progress=stop_at(6))
    assert states.newest_state(tmp_path / "parts").stem == "step-00000004"  # died between two states
    again = loop.train(Fit(accumulate=accumulate), tmp_path / "parts", resume=True)
    assert same(whole.module, again.module)
    assert (again.loss, again.best_step, again.best_score) == (whole.loss, whole.best_step, whole.best_score)
    for name in ("log.csv", "dev.csv"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "parts" / name).read_text()
    lines = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert lines[0] == "step,loss,error"
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, 13))


def test_going_on_makes_no_batch_again_that_was_learned_from(tmp_path):
    first, second = Fit(accumulate=2), Fit(accumulate=2)
    with pytest.raises(KeyboardInterrupt):
        loop.train(first, tmp_path, progress=press_at(7))
    loop.train(second, tmp_path, resume=True)
    assert sorted(second.made) == list(range(14, 24))
    assert Counter(first.made).most_common(1)[0][1] == 1


def test_it_learns_the_line_and_the_rate_counts(tmp_path):
    made = loop.train(Fit(steps=300, drop=0, ema=0.5, rate=0.1, weight_decay=0), tmp_path)
    assert float(made.module.line.weight.detach()) == pytest.approx(3, abs=0.05)
    slow = loop.train(Fit(steps=300, drop=0, ema=0.5, rate=1e-5, weight_decay=0), tmp_path / "slow")
    assert slow.best_score > 1


def test_ctrl_c_writes_a_whole_state_and_the_run_goes_on_from_there(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        loop.train(Fit(), tmp_path / "parts", progress=press_at(6))
    assert states.newest_state(tmp_path / "parts").stem == "step-00000006"
    again = loop.train(Fit(), tmp_path / "parts", resume=True)
    assert same(again.module, loop.train(Fit(), tmp_path / "whole").module)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_no_number_stops_the_run_names_the_samples_and_keeps_the_state(tmp_path):
    with pytest.raises(FacedataError) as told:
        loop.train(Fit(poison=6), tmp_path)
    assert "step 7" in str(told.value)
    assert "6.0, 6.1, 6.2, 6.3" in str(told.value)
    assert "step-00000006.safetensors is kept" in str(told.value)
    kept = load_file(states.newest_state(tmp_path))
    assert all(bool(one.isfinite().all()) for key, one in kept.items() if key.startswith("module."))
    # what was kept is what six good steps came to
    good = loop.train(Fit(), tmp_path / "good", progress=None)
    assert good.steps == 12
    healed = loop.train(Fit(), tmp_path, resume=True)
    assert same(healed.module, good.module)


def test_the_best_look_is_given_back_and_patience_ends_the_run(tmp_path):
    recipe = Fit(dev=[5, 2, 3, float("nan"), 4, 1], steps=60, patience=3)
    made = loop.train(recipe, tmp_path)
    assert (made.steps, made.best_step, made.best_score) == (15, 6, 2)
    assert float(made.module.batches) == 6  # the weights of that look, not the last


def test_memory_that_runs_out_names_the_batch_to_try(tmp_path):
    class Greedy(Fit):
        def place(self, batch, device):
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 99"
            )

    with pytest.raises(
        UsageError, match=r"loop.batch 4 does not fit .* loop.batch: 2 with loop.accumulate: 2"
    ):
        loop.train(Greedy(), tmp_path)

    class Gpu(Fit):
        def place(self, batch, device):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UsageError, match=r"loop\.batch: 2"):
        loop.train(Gpu(), tmp_path / "gpu")

    class Broken(Fit):
        def place(self, batch, device):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        loop.train(Broken(), tmp_path / "broken")


def test_the_rate_rises_straight_and_falls_by_a_cosine():
    config = LoopConfig(steps=100, warmup=9)
    assert [share_of_rate(step, config) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    middle, last = 9 + 91 / 2, 100
    assert share_of_rate(last, config) == pytest.approx(0.01)
    assert share_of_rate(int(middle), config) == pytest.approx(0.505, abs=0.01)
    assert share_of_rate(99, LoopConfig(steps=100, schedule="constant")) == 1


def test_the_average_forgets_by_its_decay_once_warm():
    averaged, current = [torch.zeros(2)], [torch.ones(2)]
    averaging(0.9)(averaged, current, torch.tensor(1000))
    assert averaged[0].tolist() == pytest.approx([0.1, 0.1])
    averaged = [torch.zeros(2)]
    averaging(0.9)(averaged, current, torch.tensor(1))
    assert averaged[0].tolist() == pytest.approx([9 / 11] * 2)


def test_every_cell_comes_equally_often_and_nothing_twice_before_all_came_once():
    cells = ["a"] * 3 + ["b"] * 5 + ["c"] * 2
    order = Order(cells, seed=1)
    places = order.between(0, 300)
    assert all(sorted(cells[one] for one in places[n : n + 3]) == ["a", "b", "c"] for n in range(0, 300, 3))
    of_b = [one for one in places if cells[one] == "b"]
    epochs = [of_b[n : n + 5] for n in range(0, 100, 5)]
    assert all(sorted(epoch) == [3, 4, 5, 6, 7] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 5
    # a function of the place alone, whoever asks and when
    assert Order(cells, seed=1).between(120, 180) == places[120:180]
    assert Order(cells, seed=2).between(0, 300) != places


def test_batches_come_in_their_order_from_several_threads():
    made = list(ahead(lambda number: number * number, range(3, 40), workers=4))
    assert made == [number * number for number in range(3, 40)]
    assert list(ahead(str, [], workers=2)) == []


def test_pictures_are_their_middle_square_and_memory_keeps_what_fits(tmp_path):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = 200
    assert middle_square(wide, 8, enlarge=cv2.INTER_LINEAR).min() == 200
    reads: list[str] = []

    class Counting:
        root = Path("there")

        def read(self, reference: str) -> bytes:
            import cv2

            reads.append(reference)
            return cv2.imencode(".png", np.full((600, 600, 3), int(reference), np.uint8))[1].tobytes()

    shelf = Shelf(Counting(), ["1", "2", "3"], 512, memory=1)  # one picture of 768 KiB fits
    for _ in range(2):
        assert [int(one.max()) for one in shelf.get([0, 1, 2])] == [1, 2, 3]
    assert Counter(reads) == {"1": 1, "2": 2, "3": 2}


@pytest.mark.parametrize("damaged", [lambda data: data[:-100], lambda data: data[:-5] + b"\1" + data[-4:]])
def test_a_damaged_state_says_which_and_that_the_one_before_is_there(tmp_path, damaged):
    with pytest.raises(KeyboardInterrupt):
        loop.train(Fit(), tmp_path, progress=stop_at(9))
    newest = states.newest_state(tmp_path)
    whole = newest.read_bytes()
    newest.write_bytes(damaged(whole))
    assert newest.read_bytes() != whole
    with pytest.raises(DatasetError, match=r"step-00000008.*remove it to go on from the state before"):
        loop.train(Fit(), tmp_path, resume=True)
    newest.unlink()
    assert same(loop.train(Fit(), tmp_path, resume=True).module, loop.train(Fit(), tmp_path / "w").module)


def test_a_longer_past_than_was_asked_for_is_refused(tmp_path):
    loop.train(Fit(steps=12), tmp_path)
    with pytest.raises(UsageError, match="trained for 12 steps already"):
        loop.train(Fit(steps=8), tmp_path, resume=True)


def test_fp16_without_a_gpu_says_what_to_take(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="fp16 is for a GPU"):
        loop.train(Fit(precision="fp16"), tmp_path)


def test_bf16_computes_in_half_and_keeps_weights_whole(tmp_path):
    made = loop.train(Fit(precision="bf16"), tmp_path / "half")
    full = loop.train(Fit(), tmp_path / "full")
    assert made.module.line.weight.dtype == torch.float32
    assert not same(made.module, full.module)


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return domains(tmp_path_factory.mktemp("faces"))


def test_a_recipe_of_faces_goes_on_to_the_same_numbers_too(faces, tmp_path):
    """With everything that is remembered: running risks, Gaussians, the order, light and noise."""
    config = tiny(losses={"risk_variance": 1.0, "triplets": 0.1, "live_contrast": 0.1})
    train_fas(faces, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train_fas(faces, tmp_path / "parts", config, progress=stop_at(6))
    train_fas(faces, tmp_path / "parts", config, resume=True)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    cards = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("whole", "parts")]
    assert cards[0] == cards[1]
    last = states.newest_state(tmp_path / "whole")
    remembered = {k: v for k, v in load_file(last).items() if k.startswith("module.criterion.")}
    assert {key.rpartition(".")[2] for key in remembered} >= {"risks", "seen", "means", "variances", "met"}
    assert all(bool(one.any()) for one in remembered.values())


def test_two_processes_learn_what_one_learns_from_batches_of_twice_the_size(faces, tmp_path):
    """As on several GPUs, here over gloo: each learns from its share, and gradients are averaged."""
    script = Path(__file__).with_name("launched.py")
    alone = [sys.executable, script, faces, tmp_path / "one", "8"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    together = [*launcher, script, faces, tmp_path / "two", "4"]
    for command in (alone, together):
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr
    one, two = (np.loadtxt(tmp_path / name / "dev.csv", delimiter=",", skiprows=1) for name in ("one", "two"))
    assert len(one) == 6
    np.testing.assert_allclose(two[:, 1], one[:, 1], atol=1e-4)
    assert len(set(one[:, 1])) == 6  # and what is compared does move
    cards = [json.loads((tmp_path / name / "training.json").read_text()) for name in ("one", "two")]
    assert cards[1]["threshold"]["value"] == pytest.approx(cards[0]["threshold"]["value"], abs=1e-3)


def test_what_is_written_down_goes_to_tensorboard_too_where_it_is_installed(tmp_path, monkeypatch):
    written: list[tuple[str, float, int]] = []

    class Board:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    monkeypatch.setattr(logs, "_board", lambda root: Board())
    loop.train(Fit(steps=3), tmp_path)
    assert [one[0] for one in written[:3]] == ["train/loss", "train/error", "train/loss"]
    assert {one[0] for one in written} == {"train/loss", "train/error", "dev/off", "closed"}
    assert written[-1][0] == "closed"


def test_a_run_of_another_configuration_dataset_or_recipe_is_refused(faces, tmp_path):
    train_fas(faces, tmp_path / "m", tiny(loop={"steps": 1}))
    with pytest.raises(TargetError, match=r"another loop.batch \(8, not 4\)"):
        train_fas(faces, tmp_path / "m", tiny(loop={"steps": 2, "batch": 4}), resume=True)
    with pytest.raises(TargetError, match="is not empty; choose another -o, --resume or --overwrite"):
        train_fas(faces, tmp_path / "m", tiny())
    other = domains(tmp_path / "other", people=7)
    with pytest.raises(TargetError, match="another dataset"):
        train_fas(other, tmp_path / "m", tiny(loop={"steps": 2}), resume=True)
    (tmp_path / "m" / "optimizer.pt").write_bytes(b"anything")
    with pytest.raises(DatasetError, match=r"optimizer.pt is pickled.*convert it to safetensors or remove"):
        train_fas(faces, tmp_path / "m", tiny(loop={"steps": 2}), resume=True)
    (tmp_path / "m" / "optimizer.pt").unlink()
    assert train_fas(faces, tmp_path / "m", tiny(loop={"steps": 2, "rate": 0.1}), resume=True).steps == 2


def test_a_log_that_ends_in_half_a_line_goes_on_with_whole_ones(tmp_path):
    (tmp_path / "log.csv").write_text("step,loss\n1,0.5\n12,0.4\n1")
    states.trim_log(tmp_path / "log.csv", 11)
    assert (tmp_path / "log.csv").read_text() == "step,loss\n1,0.5\n"
    (tmp_path / "log.csv").write_text("step,lo")
    states.trim_log(tmp_path / "log.csv", 11)
    assert (tmp_path / "log.csv").read_text() == ""
