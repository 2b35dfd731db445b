"""The batched camera: each stage against the NumPy half, OpenCV or theory, and the chains' bounds."""

import io

import cv2
import numpy as np
import pytest
import torch
from camera_twins import FLAWLESS, camera, hash_words
from PIL import Image
from replay_twins import still
from test_adapters_torch import IDS, differences, eight_bit, pictures, tensor
from test_operators import picture

from facedata.augment import camera as numpy_camera
from facedata.augment.adapters.torch import BatchedPolicy, batched
from facedata.augment.adapters.torch.camera import develop, form, pack_camera, pack_room, room
from facedata.augment.adapters.torch.isp import toned
from facedata.augment.adapters.torch.jpeg import quantisation, recompressed
from facedata.augment.adapters.torch.light import enlarged, to_light
from facedata.augment.adapters.torch.optics import blurred, pack_spread
from facedata.augment.adapters.torch.sensor import deviates, framed, raw_frame
from facedata.augment.geometry import room as numpy_room
from facedata.augment.isp import tone_table
from facedata.augment.sensor import normal_table
from facedata.augment.task import Augment, replay
from facedata.datasets.sample import Sample

CHAINS = pytest.mark.parametrize("name", ["capture", "replay-lcd", "replay-oled", "replay-projector"])
REPLAYS = pytest.mark.parametrize("name", ["replay-lcd", "replay-oled", "replay-projector"])
CAPTURE = batched("capture")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def light_of(seed, height, width):
    return numpy_camera.to_light(picture(height, width, seed))


def planes(light):
    return torch.from_numpy(light.astype(np.float32)).movedim(-1, 0)[None]


def packed(parameters, height, width, **options):
    names = pack_camera(parameters, height, width, **options)
    return {name: torch.from_numpy(np.asarray(value)[None]) for name, value in names.items()}


def frame(parameters, height, width, seed=1):
    """The raw frame of a picture by either half: steps of the converter."""
    mosaic = numpy_camera.form(light_of(seed, height, width), parameters, (width, height))
    response, _ = numpy_camera.channel_gains(parameters)
    wanted = numpy_camera.read_out(mosaic, parameters, (width, height), response)
    params = packed(parameters, height, width)
    made = raw_frame(torch.from_numpy(mosaic.astype(np.float32))[None], params, CAPTURE.normal)
    return framed(made, *mosaic.shape)[0].numpy().astype(int), wanted.astype(int)


NOISY = {"shot_noise": 1.5e-3, "read_noise": 5e-5, "noise_seed": 2**31 - 1, "bits": 12}
FLICKER = {"flicker_depth": 0.4, "flicker_frequency": 120.0, "flicker_phase": 200.0, "exposure_time": 0.003}
LENS = {"field_angle": 30.0, "glare": 8.0, "flare_strength": 0.7}
COLOUR = {"temperature": 3200.0, "balance_error": 9.0, "tint": -3.0, "exposure": 0.4}
LOOK = {"saturation": 1.3, "contrast": 1.2, "shoulder": 0.7, "sharpening": 1.0, "noise_reduction": 1.0}


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.2, 8.0])
@pytest.mark.parametrize("size", [(5, 3), (40, 33)], ids=str)
def test_the_lens_gives_the_mosaic_of_the_numpy_half(sigma, size):
    """On 3 px of width a point spread of 8 px comes back from the border several times."""
    parameters = camera(defocus=sigma)
    wanted = numpy_camera.form(light_of(1, *size), parameters, size[::-1])
    made = form(planes(light_of(1, *size)), packed(parameters, *size))[0].numpy()
    assert np.abs(made - wanted.astype(int)).max() <= 1
    assert (made != wanted).mean() < 0.02


def test_the_lens_keeps_light_and_spreads_it_by_its_variance():
    light = torch.zeros(2, 1, 64, 64)
    light[:, :, 32, 32] = 2.0**30
    sigmas = 1.1, 1.25
    taps = torch.from_numpy(np.stack([pack_spread(sigma, 64, 64) for sigma in sigmas]))
    place = torch.arange(64) - 32.0
    for sigma, spread in zip(sigmas, blurred(light, taps)[:, 0], strict=True):
        total = spread.sum()
        assert total.item() == pytest.approx(2.0**30, rel=1e-4)
        for axis in (0, 1):
            variance = (spread.sum(axis) * place**2).sum() / total
            assert variance.item() == pytest.approx(sigma**2, rel=0.02)


@pytest.mark.parametrize("columns", [8, 9])
def test_noise_is_that_of_the_same_hash(columns):
    rows, key = 6, 2**31 - 5
    half = (columns + 1) // 2
    words = np.repeat(hash_words(rows * half, key).reshape(rows, half), 2, axis=1)[:, :columns]
    place = np.where(np.arange(columns) & 1, words >> np.uint32(20), words & np.uint32(4095))
    grid = torch.arange(rows)[:, None].int(), torch.arange(columns)[None, :].int()
    found = deviates(torch.tensor([columns]), torch.tensor([key]), *grid, CAPTURE.normal)
    assert np.array_equal(found[0].numpy(), normal_table()[place])


@pytest.mark.parametrize(
    "changes",
    [{}, NOISY, FLICKER, LENS, COLOUR, {**NOISY, "bits": 8}, {**NOISY, **FLICKER, **LENS, **COLOUR}],
    ids=["flawless", "noise", "flicker", "lens", "colour", "8 bit", "all"],
)
def test_the_sensor_gives_the_frame_of_the_numpy_half(changes):
    for size in [(48, 40), (33, 25)]:
        made, wanted = frame(camera(**changes), *size)
        assert np.abs(made - wanted).max() <= 1
        # a product of 31 bits is rounded to 24: a step's edge may lie in between
        assert (made != wanted).mean() < 0.002
    assert wanted.std() > 0.02 * wanted.max()


def test_flicker_darkens_rows_as_theory_says():
    parameters = camera(**{**FLICKER, "exposure_time": 1e-5, "row_time": 20.0, "frame_rows": 2000})
    light = torch.full((1, 3, 64, 32), 12000.0)
    raw = raw_frame(form(light, packed(parameters, 64, 32)), packed(parameters, 64, 32), CAPTURE.normal)
    signal = raw[0] - 2**10
    rows = signal[::2, 1::2].mean(1)  # green ones
    rows = (rows / rows.mean()).numpy()
    time = (np.arange(64) + 0.5) / 64 * 0.04
    wanted = 1 + 0.4 * np.cos(2 * np.pi * 120 * time + np.radians(200))
    assert rows == pytest.approx(wanted[::2] / wanted[::2].mean(), abs=2e-3)


@pytest.mark.parametrize("contrast", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shoulder", [0.0, 0.5, 1.0])
def test_the_tone_curve_is_the_table(contrast, shoulder):
    params = packed(camera(contrast=contrast, shoulder=shoulder), 8, 8)
    bins = torch.arange(4096.0).reshape(1, 1, 1, 4096)
    found = toned(bins, params["camera_tone"])[0, 0, 0].numpy()
    table = tone_table(contrast, shoulder).astype(int)
    assert np.abs(found - table).max() <= 1
    assert (found != table).sum() <= 4


@pytest.mark.parametrize("oversample", [1, 2])
@pytest.mark.parametrize("changes", [{}, {**COLOUR, **LOOK}], ids=["plain", "look"])
def test_the_isp_gives_the_picture_of_the_numpy_half(oversample, changes):
    height, width = 37, 24
    parameters = camera(**{**changes, "shot_noise": 1e-3, "jpeg_first": 80, "jpeg_second": 60})
    sensor = oversample * height, oversample * width
    generator = np.random.default_rng(0)
    raw = generator.integers(900, 9000, (sensor[0] + 4, sensor[1] + 4)).astype(np.uint16)
    inner = raw[2:-2, 2:-2]
    raw = np.pad(inner, 2, mode="reflect")
    wanted = numpy_camera.develop(raw, parameters, (width, height), numpy_camera.channel_gains(parameters)[1])
    params = packed(parameters, height, width, sensor=sensor)
    steps = torch.from_numpy(inner.astype(np.float32))[None]
    made = develop(steps, params, (height, width), CAPTURE.lines)
    assert np.abs(eight_bit(made)[0] - wanted).max() <= 2
    assert (eight_bit(made)[0] != wanted).mean() < 0.01


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (16, 16), (17, 5), (40, 33), (64, 80)], ids=str)
def test_jpeg_is_opencvs_to_the_last_code(size):
    for quality in (1, 30, 49, 50, 75, 90, 100):
        image = picture(*size, quality)
        image[: size[0] // 2] = np.random.default_rng(quality).integers(0, 256, image[: size[0] // 2].shape)
        data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        wanted = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        steps = torch.from_numpy(quantisation(quality))[None]
        made = recompressed(planes(image), steps, CAPTURE.lines)[0].movedim(0, -1).numpy()
        assert np.array_equal(made, wanted)
        with Image.open(io.BytesIO(data.tobytes())) as opened:
            assert [list(table) for table in opened.quantization.values()] == quantisation(quality).tolist()


def test_jpegs_gradient_is_that_of_its_linear_parts():
    """Coefficients pass it; luma keeps all of it, and chroma what four px share."""
    codes = (torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 100 + 80).round()
    codes.requires_grad_()
    steps = torch.from_numpy(quantisation(50))[None]
    recompressed(codes, steps, CAPTURE.lines).sum().backward()
    assert codes.grad.sum().item() == pytest.approx(codes.numel(), rel=0.01)
    codes.grad = None
    recompressed(codes, steps, CAPTURE.lines)[0, 0, 8, 8].backward()  # red
    rest = codes.grad[0].clone()
    assert rest[:, 8, 8].tolist() == pytest.approx([0.299 + 0.701 * 9 / 16 / 4, *(-0.0,) * 2], abs=0.7)
    assert rest.sum().item() == pytest.approx(1.0, abs=0.01)
    assert rest[:, :4].abs().max() == 0


def test_a_quality_of_nought_is_no_jpeg():
    image = tensor(pictures(2, 24, 24))
    operator = CAPTURE.operator
    flawless = operator.parse(
        {**FLAWLESS, "side_light": 0, "side_direction": 0, "side_temperature": 5000, "strength": 1}
    )
    once = flawless.model_copy(update={"jpeg_first": 30})
    made = CAPTURE(image, CAPTURE.pack([flawless, once], 24))
    assert (made[0] - image[0]).abs().mean() < (made[1] - image[1]).abs().mean() / 2


def test_a_room_behind_is_the_numpy_halfs():
    for size in [(40, 56), (200, 180)]:
        params = {
            k: torch.from_numpy(v[None]) for k, v in pack_room(*size, 5, kelvin=3000, level=0.8).items()
        }
        wanted = numpy_room(*size, 5, kelvin=3000, level=0.8)
        made = room(params, *size)[0].movedim(0, -1).numpy()
        assert np.abs(made - wanted.astype(int)).max() <= 1
        assert wanted.std() > 100


def test_coarse_light_of_different_sizes_is_enlarged_each_by_its_own():
    generator = np.random.default_rng(1)
    fields = [
        generator.integers(0, 65536, shape).astype(np.uint16) for shape in [(1, 1, 3), (7, 9, 3), (24, 20, 3)]
    ]
    coarse = torch.zeros(3, 3, 24, 20)
    for number, field in enumerate(fields):
        coarse[number, :, : field.shape[0], : field.shape[1]] = planes(field)[0]
    extent = torch.tensor([field.shape[:2] for field in fields], dtype=torch.int32)
    made = enlarged(coarse, extent, 30, 16).movedim(1, -1).numpy()
    for field, found in zip(fields, made, strict=True):
        wanted = cv2.resize(field, (16, 30), interpolation=cv2.INTER_LINEAR)
        assert np.abs(found - wanted.astype(int)).max() <= 1


@REPLAYS
@pytest.mark.parametrize("oversample", [1, 2])
def test_a_panel_gives_the_mosaic_of_the_numpy_half(name, oversample):
    """Tilted and bent, so that places are far from whole px and several tiles are in use."""
    module, size = batched(name), (72, 60)
    changes = {
        "tilt": 25.0,
        "pan": -20.0,
        "roll": 4.0,
        "distortion": 0.06,
        "fill": 1.0,
        "oversample": oversample,
    }
    if name == "replay-projector":
        changes |= {"engine": "dlp", "keystone_x": 9.0, "throw_blur": 0.4, "pitch": 0.8, "distance": 900.0}
    else:
        changes |= {"pulse_depth": 0.6, "distance": 300.0, "illuminance": 300.0, "mirrored_luminance": 200.0}
    parameters = still(name, **changes)
    scene = module.operator.scene(parameters, size[1], size[0])
    image = picture(*size, 3)
    emitted, added, mask = scene.lights(image)
    wanted = scene.mosaic(emitted, added)
    params = module.pack([parameters], size)
    light, other = module.lights(tensor(image[None]), params)
    for found, of_numpy in ((light, emitted), (other, added)):
        difference = np.abs(found[0].movedim(0, -1).numpy() - of_numpy.astype(int))
        # a tie in the reduction to the display's px may fall the other way, and the lens spreads that code
        assert difference.mean() < 10
        assert difference.max() < 1000  # along the edges, which are straight over runs of px there
    found = module.mosaic(planes(emitted), planes(added), params)
    found = found[0, : wanted.shape[0], : wanted.shape[1]].numpy()
    assert np.abs(found - wanted.astype(int)).max() <= 2
    assert 0 < mask.mean() < 255
    assert len(scene.tiles()[0]) > 1


@CHAINS
def test_without_jpeg_the_chains_agree_closely(name):
    """What JPEG adds to the bounds of the whole chains is flips of its steps; here there are none."""
    module = batched(name)
    drawn = [one.model_copy(update={"jpeg_first": 0, "jpeg_second": 0}) for one in module.draw(IDS, 3)]
    for size in [(96, 80), (160, 160)]:
        difference, _ = differences(module, drawn, pictures(8, *size))
        assert difference.mean(axis=(1, 2, 3)).max() <= 0.05
        assert (difference > 2).mean() < 2e-4
        assert difference.max() <= (2 if name == "capture" else 10)


@CHAINS
def test_with_jpeg_few_values_differ(name):
    module = batched(name)
    difference, _ = differences(module, module.draw(IDS, 3), pictures(8, 160, 160))
    assert (difference > 2).mean() < (0.005 if name == "capture" else 0.02)
    assert np.median(difference) == 0


@REPLAYS
def test_sensors_of_one_and_two_photosites_a_px_share_a_batch(name):
    module = batched(name)
    drawn = [
        one.model_copy(update={"oversample": 1 + number % 2})
        for number, one in enumerate(module.draw(IDS[:4], 8))
    ]
    difference, _ = differences(module, drawn, pictures(4, 48, 56))
    assert difference.mean(axis=(1, 2, 3)).max() <= 1
    module = batched(name, {"oversample": 1})
    assert module.pack(module.draw(IDS[:1], 8), 48)["canvas"].shape[1:3] == (48, 48)


@CHAINS
def test_few_shapes_occur_so_few_graphs_are_compiled(name):
    module = batched(name)
    shapes = {
        tuple((key, tuple(value.shape)) for key, value in module.sample(IDS, seed, size=64).items())
        for seed in range(6)
    }
    assert len(shapes) <= 4


def test_the_gradient_of_a_photograph_is_its_slope():
    """Along changes of many codes, over which the converter's and the picture's steps even out."""
    given = {
        **FLAWLESS,
        **COLOUR,
        **LENS,
        "shot_noise": 4e-4,
        "defocus": 0.8,
        "sharpening": 0.5,
        "shoulder": 1.0,
    }
    rest = {"side_light": 0.5, "side_direction": 30, "side_temperature": 4000, "strength": 0.8}
    parameters = CAPTURE.operator.parse({**given, "exposure": -0.5, "jpeg_first": 95, **rest})
    packed_ = CAPTURE.pack([parameters] * 2, 48)
    image = (tensor(pictures(2, 48, 48)) * 0.4 + 0.25).requires_grad_()
    weights = torch.rand(image.shape, generator=torch.Generator().manual_seed(1))
    (CAPTURE(image, packed_) * weights).sum().backward()
    slope = image.grad.sum().item()
    step = 0.02
    with torch.no_grad():
        ends = [(CAPTURE(image + s, packed_) * weights).sum().item() for s in (step, -step)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.03)


@pytest.mark.parametrize("policy", ["capture", "replay-phone", "replay-monitor", "replay-projector"])
def test_policies_of_replays_make_the_pictures_of_the_command(policy):
    module, images = BatchedPolicy(policy), pictures(6, 64, 64)
    names = [f"{number:032x}" for number in range(6)]
    task = Augment(module.policy, variants=1, seed=9)
    steps = module.draw(names, 9, 0)
    made = eight_bit(module(tensor(images), module.pack(steps, 64)))
    attacks = module.attacks(steps, 64)
    assert None in attacks
    assert policy == "capture" or set(attacks) != {None}
    for number, name in enumerate(names):
        parent = Sample(sample_id=name, content_hash="0" * 32, image="a", width=64, height=64, label="live")
        row = task.plan(parent)[0].sample
        assert row.attack == attacks[number]
        difference = np.abs(made[number] - replay(row.parameters, images[number]))
        assert difference.mean() <= 1
        assert (difference > 2).mean() < 0.1


def test_a_picture_that_is_not_of_8_bits_keeps_its_light():
    """Light is whole, but a picture's values need not be: half a code more is more light."""
    image = torch.full((1, 3, 8, 8), 100.5 / 255)
    low, middle, high = (to_light(image + shift / 255).mean().item() for shift in (-0.5, 0, 0.5))
    assert low < middle < high
