"""Maps as channels beside the colours, and what a network learns where some of these are absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recipe_parts import SIDE, domains, one_thread, tiny
from safetensors.torch import load_file

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.recipes import fas
from facedata.recipes.batches import Batches
from facedata.recipes.config import RowsConfig, load_config
from facedata.recipes.criterion import Criterion, FasModule
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.maps import MAPS, find_map
from facedata.recipes.models.build import NetworkConfig, build_network
from facedata.recipes.models.inputs import map_of
from facedata.recipes.rows import choose_rows

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

CPU = torch.device("cpu")
OF_PICTURES = [name for name, one in MAPS.items() if one.takes == "picture"]
THREE = ("lbp", "srm", "fft")


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    return domains(tmp_path_factory.mktemp("faces"))


def pixels(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def batched(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2) / 255


def test_what_a_network_sees_are_colours_and_the_windows_of_the_maps_as_layers_show_them():
    network = build_network(NetworkConfig(side=SIDE, width=4, maps=THREE))
    images = pixels()
    seen = network.inputs(batched(images))
    assert seen.shape == (2, 3 + 1 + 3 + 1, SIDE, SIDE)
    torch.testing.assert_close(seen[:, :3], batched(images) * 2 - 1)
    for image, found in zip(images, seen[:, 3:], strict=True):
        layers = [layer for name in THREE for layer in find_map(name).layers(image).values()]
        codes = (found.numpy() + 1) / 2 * 255
        np.testing.assert_allclose(codes, np.stack(layers), atol=0.55)  # a layer is rounded to codes


@pytest.mark.parametrize("name", OF_PICTURES)
def test_every_map_of_a_picture_is_as_large_as_the_picture_and_within_its_window(name):
    found = map_of(name, batched(pixels()))
    assert found.shape == (2, len(find_map(name).channels), SIDE, SIDE)
    assert -1 <= float(found.min()) < float(found.max()) <= 1


def test_a_smaller_map_is_enlarged_place_by_place():
    found = map_of("hog", batched(pixels(1)))[0]
    small = find_map("hog").numpy(pixels(1)[0]) * 2 - 1  # 3 x 3 places of 32 px
    for place in range(3):
        inside = round((place + 0.5) * SIDE / 3)
        np.testing.assert_allclose(found[:, inside, inside], small[:, place, place], atol=1e-4)


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ("[st-map]", "network.maps: .*st-map is made of a clip; a network takes grey, laplacian"),
        ("[difference]", "is made of a pair"),
        ("[depth]", "there is no map 'depth'"),
        ("[lbp, srm, lbp]", "names a map twice"),
    ],
)
def test_maps_that_are_none_of_a_picture_are_refused(tmp_path, maps, said):
    (tmp_path / "c.yaml").write_text(f"network: {{maps: {maps}}}")
    with pytest.raises(UsageError, match=said):
        load_config(FasConfig, tmp_path / "c.yaml", fas.DEFAULT_CONFIG)


def test_a_transformer_begins_with_the_colours_alone_and_learns_to_mix():
    torch.manual_seed(0)
    plain = build_network(NetworkConfig(name="vit", side=SIDE))
    mixed = build_network(NetworkConfig(name="vit", side=SIDE, maps=THREE))
    missing, more = mixed.load_state_dict(plain.state_dict(), strict=False)
    assert (missing, more) == (["mix.weight", "mix.bias"], [])
    pictures = batched(pixels())
    torch.testing.assert_close(mixed(pictures).score, plain(pictures).score)
    mixed(pictures).features.square().sum().backward()  # the head is the same for both
    assert bool((mixed.mix.weight.grad.abs().amax((0, 2, 3)) > 0).all())


@pytest.mark.parametrize("name", ["central", "vit"])
def test_a_model_with_maps_scores_from_its_folder_alone_and_looks_at_them(faces, tmp_path, name):
    config = tiny(network={"name": name, "maps": THREE}, loop={"steps": 4, "rate": 0.02})
    fas.train_fas(faces, tmp_path / "m", config)
    kept = load_file(tmp_path / "m" / "model.safetensors")
    first = "mix.weight" if name == "vit" else "stem.0.weight"
    assert kept[first].shape[1] == 8
    scores = fas.score(tmp_path / "m", Dataset.open(faces)).table["score"]
    assert scores.nunique() > 10
    network = build_network(config.network)
    network.load_state_dict(kept)
    pictures = batched(pixels())
    no_maps = torch.tensor([[True, False, False, False]]).expand(2, -1)
    off = (network.eval()(pictures).score - network(pictures, no_maps).score).detach()
    assert bool((off.abs() > 1e-6).all())


# ---- absent modalities


def test_of_an_absent_modality_nothing_is_seen():
    network = build_network(NetworkConfig(side=SIDE, width=4, maps=THREE))
    one, other = batched(pixels(4)).split(2)
    sizes, places = (3, 1, 3, 1), range(4)
    kept = torch.tensor([[False, True, False, True], [True, False, True, False]])
    found = network.inputs(one, kept).split(sizes, 1)
    whole = network.inputs(one).split(sizes, 1)
    for place in places:
        for row in range(2):
            wanted = whole[place][row] if bool(kept[row, place]) else torch.zeros_like(whole[place][row])
            assert torch.equal(found[place][row], wanted)
    alone = torch.tensor([[False, False, True, False]]).expand(2, -1)
    same_noise = network.inputs(one, alone)
    assert torch.equal(same_noise[:, :4], network.inputs(other, alone)[:, :4])


def drawn(faces: Path, **told) -> tuple[Batches, FasConfig]:
    config = tiny(network={"maps": THREE}, **told)
    rows = choose_rows(Dataset.open(faces), RowsConfig(), None, seed=0).train
    return Batches(Dataset.open(faces), rows, config), config


def test_modalities_are_absent_by_their_chance_but_never_all_of_them(faces):
    share = 0.6
    batches, _ = drawn(faces, augment={"absent": share}, loop={"batch": 24})
    kept = torch.cat([batches.at(number).looks[0].kept for number in range(60)])
    assert kept.shape == (1440, 4)
    assert bool(kept.any(1).all())
    # absent by chance, unless all four were and this is the one of four that stays
    wanted = share - share**4 / 4
    spread = (wanted * (1 - wanted) / len(kept)) ** 0.5
    for column in (~kept).float().mean(0).tolist():
        assert column == pytest.approx(wanted, abs=4 * spread)
    assert drawn(faces)[0].at(0).looks[0].kept is None


def test_what_is_absent_is_a_function_of_the_seed_the_batch_and_the_view(faces):
    told = {"augment": {"absent": 0.5}, "losses": {"asymmetric_contrast": 0.1}}
    batches, config = drawn(faces, **told)
    again, _ = drawn(faces, **told)
    other, _ = drawn(faces, **told, loop={"seed": 1})
    first = batches.at(3)
    assert torch.equal(first.looks[0].kept, again.at(3).looks[0].kept)
    for kept in (batches.at(4).looks[0].kept, other.at(3).looks[0].kept, first.looks[1].kept):
        assert not torch.equal(first.looks[0].kept, kept)
    # and it moves no other draw
    plain, _ = drawn(faces, losses=told["losses"])
    assert torch.equal(plain.place(plain.at(3), CPU).pictures, batches.place(first, CPU).pictures)
    # the module learns from what is there, in both views
    network = build_network(config.network)
    module = FasModule(network, Criterion(config.losses, network.features, 2, 3, 8))
    batch = batches.place(first, CPU)
    pairs = ((batch.pictures, batch.looks[0]), (batch.views, batch.looks[1]))
    seen = [network(pictures, look.kept) for pictures, look in pairs]
    wanted = module.criterion(seen[0], batch, seen[1])
    found = module(batch)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_modalities_are_absent_only_where_there_are_several():
    with pytest.raises(ValueError, match=r"name network\.maps"):
        tiny(augment={"absent": 0.5})


@pytest.mark.parametrize("network", [{}, {"name": "vit", "token_masking": 0.4}], ids=["small", "vit"])
def test_a_run_with_maps_and_masks_goes_on_to_the_same_numbers(faces, tmp_path, network):
    config = tiny(
        network={**network, "maps": ("lbp", "srm")}, augment={"absent": 0.4}, robust={"attack": "fgsm"}
    )

    def stop(step: int, _total: int, _losses) -> None:
        if step == 6:
            raise KeyboardInterrupt

    fas.train_fas(faces, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        fas.train_fas(faces, tmp_path / "parts", config, progress=stop)
    fas.train_fas(faces, tmp_path / "parts", config, resume=True)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)
