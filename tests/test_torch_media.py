"""Batched prints, shaped papers and masks: light before the lens, and photographs, against the NumPy half."""

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT
from test_adapters_torch import Counted, eight_bit, pictures, tensor
from test_operators import anything, picture

from facedata.augment.adapters.torch import BatchedPolicy, batched
from facedata.augment.adapters.torch.blurs import mapped, pack_shadow, shadowed, smoother, softener
from facedata.augment.adapters.torch.surfaces import looked
from facedata.augment.edges import shadow
from facedata.augment.geometry import view
from facedata.augment.light import srgb_encode
from facedata.augment.printing import screen_step, sheet_of
from facedata.augment.recapture import SheetPhoto
from facedata.augment.registry import find
from facedata.augment.task import Augment, replay
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

SHEETS = ["print-inkjet", "print-laser", "paper-curved", "paper-folded", "paper-cut"]
MEDIA = [*SHEETS, "mask-resin", "mask-silicone"]
ALL = pytest.mark.parametrize("name", MEDIA)
IDS = [f"sample {number}" for number in range(8)]
CLOSE = {"medium_width": {"uniform": [12.0, 30.0]}}
"""Close enough for drops and screens to be seen at 256 px."""
DOTS = {"medium_width": 12.0, "ruling": 40.0, "drop": 150.0}
"""Coarse enough for them to be seen at 40 px."""
STILL = {"noise_seed": 1, "jpeg_first": 90, "jpeg_second": 0}

MEDIUM = (2, 0.05)
"""The most that a pixel, and that a picture on average, may differ before the lens, in codes of 255."""
PHOTOGRAPH = (0.015, 0.2)
"""The share of values that may differ by more than 2 codes, and the most that a picture may on average."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def light_of(operator, image, parameters):
    """Light before the lens by the NumPy half, in units of white, and the cover."""
    if isinstance(operator, SheetPhoto):
        light, cover, _ = operator.scene(image, view(parameters, *image.shape[1::-1]), parameters)
    else:
        light, cover = operator.scene(image, parameters)
    return light / 32768, np.full(image.shape[:2], 255) if cover is None else cover


def medium_differences(module, parameters, images):
    """Differences of light before the lens, as codes of 255, and of covers."""
    with torch.no_grad():
        light, cover = module.medium(tensor(images), module.pack(parameters, images.shape[1:3]))
    light, cover = light.permute(0, 2, 3, 1).double().numpy() / 32768, cover[:, 0].numpy() * 255
    pairs = [light_of(module.operator, *pair) for pair in zip(images, parameters, strict=True)]
    wanted = np.stack([pair[0] for pair in pairs])
    difference = np.abs(srgb_encode(light) - srgb_encode(wanted)) * 255
    # what is brighter than white, too, against the white
    difference += np.abs(np.maximum(light, 1) - np.maximum(wanted, 1)) * 255
    return difference, np.abs(cover - np.stack([pair[1] for pair in pairs]))


def dotted(name, **more):
    """Distributions by which a sheet's dots are seen on small pictures; none for masks."""
    known = find(name).draws()
    return {key: value for key, value in {**DOTS, **more}.items() if key in known} if name in SHEETS else {}


def whole_range(operator, count=8):
    drawn = [anything(operator, Words.of(key, "anything")) for key in range(count)]
    return [one.model_copy(update={"strength": 1.0}) for one in drawn]


@ALL
@pytest.mark.parametrize("size", [(64, 64), (96, 80), (256, 256)], ids=str)
def test_light_before_the_lens_agrees_on_drawn_parameters(name, size):
    module = batched(name)
    ids = IDS[: 8 if size[0] < 256 else 3]
    difference, cover = medium_differences(module, module.draw(ids, 7), pictures(len(ids), *size))
    assert difference.max() <= MEDIUM[0]
    assert difference.mean(axis=(1, 2, 3)).max() <= MEDIUM[1]
    assert cover.max() <= 1


@ALL
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (33, 57), (5, 150)], ids=str)
def test_light_before_the_lens_agrees_over_the_whole_physical_range(name, size):
    module = batched(name)
    difference, _ = medium_differences(module, whole_range(module.operator), pictures(8, *size))
    assert difference.max() <= MEDIUM[0]
    assert difference.mean() <= MEDIUM[1]


@pytest.mark.parametrize("name", ["print-inkjet", "print-laser", "paper-folded"])
def test_the_same_places_are_inked(name):
    """Of dots and cells that a camera sees: all but one value in five thousand."""
    module = batched(name, CLOSE)
    parameters, images = module.draw(IDS[:4], 7), pictures(4, 256, 256)
    assert module.pack(parameters, 256)["dots"].shape[1] == 4, "screens must be seen, or none are compared"
    difference, _ = medium_differences(module, parameters, images)
    assert (difference > MEDIUM[0]).mean() < 2e-4
    assert difference.mean(axis=(1, 2, 3)).max() <= MEDIUM[1]


def test_displaced_inks_agree():
    module = batched("print-laser", {"medium_width": 60.0, "misregistration": 0.3, "ruling": 300.0})
    parameters = module.draw(IDS[:3], 7)
    assert module.pack(parameters, 256)["fringes"].shape[1] == 3
    difference, _ = medium_differences(module, parameters, pictures(3, 256, 256))
    assert difference.max() <= MEDIUM[0]
    assert difference.mean() <= MEDIUM[1]


@ALL
def test_few_values_of_a_photograph_differ(name):
    """A step of light more or less turns a JPEG coefficient now and then, and with it a block of 8 x 8."""
    module = batched(name)
    parameters, images = module.draw(IDS, 7), pictures(8, 96, 80)
    with torch.no_grad():
        made = eight_bit(module(tensor(images), module.pack(parameters, (96, 80))))
    wanted = np.stack([module.operator.apply(*pair).image for pair in zip(images, parameters, strict=True)])
    difference = np.abs(made - wanted)
    assert (difference > 2).mean() <= PHOTOGRAPH[0]
    assert difference.mean(axis=(1, 2, 3)).max() <= PHOTOGRAPH[1]


def test_the_docs_state_the_bounds():
    text = (ROOT / "docs" / "adapters.md").read_text("utf-8")
    assert f"within {MEDIUM[0]} codes everywhere and {MEDIUM[1]} on average" in text
    assert f"{PHOTOGRAPH[1]} on average, and {PHOTOGRAPH[0] * 100:g} % of its values by more than 2" in text
    assert all(f"`{name}`" in text for name in MEDIA)


@pytest.mark.parametrize("strength", [0.0, 0.4])
def test_a_share_of_the_photograph_is_mixed_in_linear_light(strength):
    module = batched("print-laser", {"strength": strength, **STILL})
    parameters, images = module.draw(IDS[:2], 3), pictures(2, 64, 64)
    made = eight_bit(module(tensor(images), module.pack(parameters, 64)))
    pairs = zip(images, parameters, strict=True)
    wanted = np.stack([module.operator.apply(*pair).image for pair in pairs]).astype(int)
    assert np.abs(made - wanted).max() <= (2 if strength else 0)


@pytest.mark.parametrize("name", ["print-inkjet", "print-laser"])
def test_a_batch_is_what_its_samples_are_alone(name):
    """Beside samples whose screens and shadows the others do not have."""
    near = {"medium_width": {"choice": [12.0, 200.0]}, "part": {"choice": ["whole", "left"]}}
    module, image = batched(name, {**dotted(name), **near}), tensor(pictures(6, 96, 80))
    parameters = module.draw(IDS[:6], 3)
    packed = module.pack(parameters, (96, 80))
    assert {0, 1} == set(packed["stepped"].tolist()) == set(packed["worn"].tolist())
    together = module.medium(image, packed)[0]
    for number, one in enumerate(parameters):
        sliced = {key: value[number : number + 1] for key, value in packed.items()}
        for alone in (sliced, module.pack([one], (96, 80))):
            made = module.medium(image[number : number + 1], alone)[0][0]
            # light is in whole steps, and a product may be added up in another order
            assert (made - together[number]).abs().max() <= 4
            assert (made != together[number]).float().mean() < 0.002


def test_the_number_of_operations_does_not_depend_on_the_batch():
    """Where dots are seen; other sheets and masks are counted with all operators."""
    module = batched("print-laser", dotted("print-laser", misregistration=0.5))
    packed, image, counts = module.sample(IDS, 1, size=64), tensor(pictures(8, 64, 64)), []
    assert packed["dots"].shape[1] == 4
    for size in (1, 8):
        with Counted() as counted:
            module.medium(image[:size], {key: value[:size] for key, value in packed.items()})
        counts.append(counted.count)
    assert counts[0] == counts[1] > 100


def test_dots_are_one_graph_without_breaks():
    module = batched("print-laser", dotted("print-laser", misregistration=0.5))
    image, packed = tensor(pictures(2, 40, 48)), module.sample(IDS[:2], 1, size=(40, 48))
    assert packed["dots"].shape[1] == 4
    compiled = torch.compile(module.medium, backend="eager", fullgraph=True)
    found = []
    for medium in (module.medium, compiled):
        given = image.clone().requires_grad_()
        light, _ = medium(given, packed)
        (light / 32768).square().sum().backward()
        found.append((light.detach(), given.grad))
    assert (found[0][0] - found[1][0]).abs().max() <= 4
    torch.testing.assert_close(found[1][1], found[0][1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["print-inkjet", "print-laser"])
def test_the_gradient_of_dots_flows_to_every_picture_and_is_finite(name):
    module = batched(name, dotted(name))
    image = tensor(pictures(2, 64, 64))
    image[:, :, :8], image[:, :, 8:16] = 0, 1  # the ends of every curve
    image.requires_grad_()
    module.medium(image, module.sample(IDS[:2], 1, size=64))[0].sum().backward()
    assert torch.isfinite(image.grad).all()
    assert (image.grad.abs().sum((1, 2, 3)) > 1).all()


@pytest.mark.parametrize("dots", [False, True], ids=["contone", "dots"])
@pytest.mark.parametrize("name", ["print-inkjet", "print-laser", "paper-cut", "mask-resin"])
def test_the_gradient_is_the_slope(name, dots):
    """Against a finite difference; in dots, against that of the mean over many phases of the screens."""
    module = batched(name, dotted(name) if dots else {})
    first = module.draw(IDS[:1], 4)[0]
    seed, count = ("paper_seed" if name in SHEETS else "mask_seed"), 32 if dots else 2
    packed = module.pack([first.model_copy(update={seed: number}) for number in range(count)], 48)
    assert name not in SHEETS or packed["dots"].shape[1] == 4 * dots
    image = (tensor(pictures(1, 48, 48)) * 0.4 + 0.25).repeat(count, 1, 1, 1)
    direction = torch.linspace(0.5, 1, 48)  # more to the right, for the slope of the sum alone is not much
    image.requires_grad_()
    module.medium(image, packed)[0].sum().backward()
    slope, step = (image.grad * direction).sum().item(), 0.02
    with torch.no_grad():
        ends = [module.medium(image + s * direction, packed)[0].double().sum().item() for s in (step, -step)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.02)


@pytest.mark.parametrize("name", ["print-inkjet", "print-laser"])
@pytest.mark.parametrize("code", [60, 128, 200])
def test_a_screened_tint_reflects_what_the_closed_form_says(name, code):
    """Yule-Nielsen-Neugebauer over many cells, in even light: theory, not the other half."""
    even = {"ambient": 1.0, "gloss": 0.0, "fibre": 0.0, "banding": 0.0, "tilt": 0.0, "pan": 0.0, "roll": 0.0}
    module = batched(name, {**even, "medium_width": 12.0, "fill": 1.2, "distortion": 0.0, "part": "whole"})
    parameters = module.draw(IDS[:1], 2)
    seen = screen_step(module.operator.halftone(parameters[0]), 12.0 / 1.2 / 256)
    assert seen is not None
    image = np.full((1, 256, 256, 3), code, np.uint8)
    light, cover = module.medium(tensor(image), module.pack(parameters, 256))
    assert cover.min() == 1
    assert light.std() > 300, "dots must be seen"
    sheet = sheet_of(parameters[0])
    wanted = sheet.reflectance(sheet.separate(np.full((1, 3), code / 255)))[0]
    np.testing.assert_allclose(light.mean((0, 2, 3)).numpy() / 32768, wanted, rtol=0.01)


@pytest.mark.parametrize("sigma", [0.6, 2.0, 9.0, 70.0])
def test_blurs_are_those_of_opencv(sigma):
    cover = np.zeros((1, 90, 130), np.uint8)
    cover[0, 20:70, 30:], cover[0, :4] = 255, 170
    packed = pack_shadow(90, 130, (3.4, -7.9), sigma)
    given = {key: torch.from_numpy(value)[None] for key, value in packed.items()}
    made = shadowed(torch.from_numpy(cover).float(), given).numpy()[0]
    assert np.abs(made - shadow(cover[0], (3.4, -7.9), sigma).astype(int)).max() <= 2
    rows, columns = (torch.from_numpy(softener(length, sigma))[None] for length in (90, 130))
    soft = mapped(torch.from_numpy(cover).float()[None], rows, columns).numpy()[0, 0]
    assert np.abs(soft - cv2.GaussianBlur(cover[0], (0, 0), sigma)).max() <= 0.51


@pytest.mark.parametrize("step", [1, 3, 7])
def test_a_blur_on_fewer_px_keeps_the_mean_and_what_is_flat(step):
    down, up = smoother(60, step, 8.0)
    np.testing.assert_allclose((up @ down).sum(axis=1), 1, atol=1e-5)
    # of a line in the middle: the variance is that of the Gaussian, the area's and the interpolation's
    line = (up @ down)[:, 30].astype(float)
    place = np.arange(60)
    mean = (line * place).sum() / line.sum()
    variance = (line * (place - mean) ** 2).sum() / line.sum()
    assert variance == pytest.approx(64 + (step**2 - 1) / 4, rel=0.1)


def test_a_picture_is_looked_up_as_opencv_does_it():
    image = picture(40, 50)
    place = np.random.default_rng(0).uniform(-3, 53, (2, 40, 50)).astype(np.float32)
    made = looked(tensor(image[None]), torch.from_numpy(place)[None], 1.0)
    wanted = cv2.remap(image, *place, cv2.INTER_LINEAR, borderValue=(255, 255, 255))
    assert np.array_equal(eight_bit(made)[0], wanted)


def test_autocast_changes_nothing():
    module, image = batched("mask-silicone"), tensor(pictures(2, 64, 64))
    packed = module.sample(IDS[:2], 1, size=64)
    wanted = module.medium(image, packed)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module.medium(image, packed)[0], wanted)


@pytest.mark.parametrize("name", ["print-office", "print-photo", "paper-mask", "mixed", "fas-aug+"])
def test_a_policy_makes_the_pictures_of_the_command(name):
    policy, images = BatchedPolicy(name), pictures(10, 64, 64)
    names = [f"{number:032x}" for number in range(10)]
    task = Augment(policy.policy, variants=2, seed=5)
    with torch.no_grad():
        made = eight_bit(policy(tensor(images), policy.sample(names, 5, 1, size=64)))
    attacks = policy.attacks(policy.draw(names, 5, 1), 64)
    for number, sample in enumerate(names):
        parent = Sample(sample_id=sample, content_hash="0" * 32, image="a", width=64, height=64, label="live")
        row = task.plan(parent)[1].sample
        difference = np.abs(made[number] - replay(row.parameters, images[number]))
        assert difference.mean() <= 1
        assert row.attack == attacks[number]
    assert len(set(attacks)) > 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@ALL
def test_a_gpu_gives_what_the_cpu_gives(name):
    module, image = batched(name), tensor(pictures(4, 96, 96))
    parameters = module.draw(IDS[:4], 1)
    wanted = module.medium(image, module.pack(parameters, 96))[0]
    made = module.to("cuda").medium(image.to("cuda"), module.pack(parameters, 96, "cuda"))[0]
    assert (made.cpu() - wanted).abs().mean() < 32768 * 0.001
