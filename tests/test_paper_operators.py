"""Sheets before a camera as a whole: edges, shadows, highlights, cuts, masks, places."""

import cv2
import numpy as np
import print_twins as twins
import pytest
from test_operators import picture

from facedata.augment import edges
from facedata.augment.camera import to_light
from facedata.augment.facial import FACE
from facedata.augment.geometry import view
from facedata.augment.operators import mask_3d
from facedata.augment.operators.paper_shape import holes
from facedata.augment.registry import OPERATORS
from facedata.datasets.words import Words

RNG = np.random.default_rng(9)
SHEETS = ("print-inkjet", "print-laser", "paper-curved", "paper-folded", "paper-cut")
EACH = pytest.mark.parametrize("name", SHEETS)
MASKS = pytest.mark.parametrize("name", ["mask-resin", "mask-silicone"])
# a camera without faults, as far as a picture of 8 bits allows
IDEAL = {
    **{name: 0.0 for name in ("balance_error", "tint", "exposure", "field_angle", "glare", "flicker_depth")},
    **{name: 0.0 for name in ("shot_noise", "read_noise", "sharpening", "shoulder", "flare_strength")},
    **{"saturation": 1.0, "contrast": 1.0, "jpeg_first": 0, "jpeg_second": 0, "defocus": 0.3},
    **{"temperature": 6500.0, "side_light": 0.0, "noise_reduction": 0.0},
}


def drawn(name, seed=0, **fixed):
    operator = OPERATORS[name]
    given = {key: value for key, value in fixed.items() if key in operator.draws()}
    return operator, operator.sample(Words.of(seed, name), given)


def scene(name, image, seed=0, **fixed):
    operator, parameters = drawn(name, seed, **fixed)
    height, width = image.shape[:2]
    return operator.scene(image, view(parameters, width, height), parameters)


@pytest.mark.parametrize("size", [(40, 52), (9, 3), (1, 1)], ids=str)
@pytest.mark.parametrize("limb", [False, True])
def test_cover_twin(size, limb):
    y, x = np.mgrid[: size[0], : size[1]]
    place = np.stack([x * 1.3 + y * 0.2 - 5, y * 0.9 - x * 0.1 - 3]).astype(np.float32)
    reach = (40 - x * 1.1).astype(np.float32) if limb else np.empty((0, 0), np.float32)
    box = tuple(np.float32(v) for v in (-0.5, 1.5, 33.25, 28.0))
    inverse = np.float32(0.8), np.float32(1.1)
    assert np.array_equal(edges.within(place, reach, box, inverse), twins.within(place, reach, box, inverse))


def test_layers_twin():
    sheet, behind = (RNG.integers(0, 65536, (30, 41, 3)).astype(np.uint16) for _ in range(2))
    cover = cv2.GaussianBlur((RNG.random((30, 41)) > 0.5).astype(np.uint8) * 255, (0, 0), 1.0)
    shade = RNG.integers(0, 256, cover.shape).astype(np.uint8)
    cover[:5], cover[5:9] = 0, 255
    for depth, edge in ((0, 0), (256, 1024), (100, 300)):
        core = 9000.0, 20000.0, 0.3, -0.6
        expected = twins.layered(sheet, behind, cover, shade, depth, edge, core)
        found = sheet.copy()
        edges.layered(found, behind, cover, shade, depth, edge, core)
        assert np.array_equal(found, expected)
        assert np.array_equal(found[5:9], sheet[5:9]), "nothing shows through the sheet"
        if not depth:
            assert np.array_equal(found[:4], behind[:4]), "nothing of the sheet is where it is not"


def test_a_shadow_only_darkens_and_lies_away_from_the_lamp():
    image = np.full((160, 160, 3), 200, np.uint8)
    fixed = {"part": "left", "part_share": 0.5, "gap": 12.0, "lamp_angle": 45.0, "lamp_azimuth": 180.0}
    fixed |= {"fill": 1.0, "offset_x": 0.0, "roll": 0.0, "tilt": 0.0, "pan": 0.0, "distortion": 0.0}
    fixed |= {"medium_width": 160.0, "lamp_distance": 3000.0, "thickness": 0.0}
    dark, light = (scene("print-inkjet", image, ambient=a, **fixed) for a in (0.2, 1.0))
    live = dark.cover == 0
    assert np.array_equal(light.light[live], to_light(image)[live])
    assert (dark.light[live] <= light.light[live]).all()
    share = (dark.light / light.light)[80, :, 1]
    # 12 mm behind and 45 degrees off: 12 px of umbra, less its blur
    assert share[84:88].max() < 0.35
    assert share[110:].min() > 0.98
    other = scene("print-inkjet", image, ambient=0.2, **{**fixed, "lamp_azimuth": 0.0})
    assert (other.light / light.light)[80, 90:, 1].min() > 0.98, "the shadow is under the sheet"


@EACH
def test_gloss_only_adds(name):
    image = picture(96, 112)
    dull, shiny = (scene(name, image, 4, gloss=g, lamp_angle=12.0) for g in (0.0, 0.8))
    assert (shiny.light >= dull.light).all()
    assert (shiny.light > dull.light).any()


def test_a_cut_sheet_keeps_the_live_pixels():
    image = picture(200, 200)
    fixed = {
        "cut": "both",
        "ambient": 1.0,
        "thickness": 0.2,
        "covers": "sheet",
        "radius": 900.0,
        "fill": 1.2,
    }
    operator, parameters = drawn("paper-cut", 3, **fixed)
    found = operator.scene(image, view(parameters, 200, 200), parameters)
    live = found.cover == 0
    assert live.sum() > 500
    assert np.array_equal(found.light[live], to_light(image)[live])
    whole = found.cover == 255
    assert (found.light[whole] != to_light(image)[whole]).any(-1).mean() > 0.95
    # the holes lie where the pose takes them, and nowhere else
    for polygon in holes(parameters, 200, 200):
        middle = operator.map_points(polygon, parameters, 200, 200).mean(0)
        assert found.cover[round(middle[1]), round(middle[0])] == 0
    counts = cv2.connectedComponents((found.cover[10:-10, 10:-10] == 0).astype(np.uint8))[0] - 1
    assert counts == 3


@pytest.mark.parametrize(("cut", "count"), [("eyes", 2), ("mouth", 1), ("both", 3)])
def test_what_is_cut_out(cut, count):
    operator, parameters = drawn("paper-cut", 1, cut=cut, raggedness=0.0, face_roll=12.0)
    polygons = holes(parameters, 300, 280)
    assert len(polygons) == count
    between = np.array([parameters.eyes_x * 3 - 0.5, parameters.eyes_y * 2.8 - 0.5])
    if cut != "mouth":
        eyes = np.array([p.mean(0) for p in polygons[:2]])
        assert np.allclose(eyes.mean(0), between)
        assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(parameters.eye_distance * 3)
        assert np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1])) == pytest.approx(12.0)
        assert np.ptp(polygons[0] @ [np.cos(np.radians(12)), np.sin(np.radians(12))]) == pytest.approx(
            parameters.hole * parameters.eye_distance * 3
        )
    assert operator.outline(parameters, 300, 280).shape == (280, 300)


def test_the_mask_is_the_projected_sheet():
    fixed = {"part": "whole", "fill": 0.7, "margin": 5.0, "tilt": 15.0, "pan": -20.0, "distortion": 0.02}
    operator, parameters = drawn("print-laser", 2, **fixed)
    image = picture(180, 240)
    mask = operator.apply(image, parameters).mask
    margin = 5.0 / (parameters.medium_width / 240)
    x = np.concatenate([np.linspace(-margin, 239 + margin, 60), np.full(60, 239 + margin)])
    x = np.concatenate([x, x[::-1] * 0 + 239 - x])
    y = np.concatenate([np.full(60, -margin), np.linspace(-margin, 179 + margin, 60)])
    y = np.concatenate([y, 179 - y])
    corners = np.stack([x, y], 1) + np.where(np.stack([x, y], 1) > 50, 0.5, -0.5)
    outline = operator.map_points(corners, parameters, 240, 180)
    expected = np.zeros((180, 240), np.uint8)
    cv2.fillPoly(expected, [np.rint(outline * 16).astype(np.int32)], 255, shift=4)
    both, either = ((mask > 127) & (expected > 127)).sum(), ((mask > 127) | (expected > 127)).sum()
    assert both / either > 0.98
    assert 0.2 < (mask > 127).mean() < 0.8


@pytest.mark.parametrize("part", ["upper", "lower", "left", "right"])
def test_a_part_of_the_face_stays_live(part):
    fixed = {"part": part, "part_share": 0.4, "fill": 1.02, "ambient": 1.0}
    found = scene("print-inkjet", picture(120, 120), **fixed)
    assert found.cover.mean() / 255 == pytest.approx(0.4, abs=0.12)
    probes = {"upper": (0, 60), "lower": (119, 60), "left": (60, 0), "right": (60, 119)}
    for where, probe in probes.items():
        opposite = {"upper": "lower", "lower": "upper", "left": "right", "right": "left"}[where]
        if where == part:
            assert found.cover[probe] == 255 or found.cover[60, 60] == 0
        if opposite == part:
            assert found.cover[probe] == 0
            assert np.array_equal(found.light[probe], to_light(picture(120, 120))[probe])


@EACH
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_points_move_with_the_picture(name, seed):
    """A bright dot on a dark picture is found where `map_points` says."""
    width, height = 260, 220
    fixed = {
        **IDEAL,
        "gloss": 0.0,
        "ambient": 1.0,
        "fibre": 0.0,
        "banding": 0.0,
        "part": "whole",
        "cut": "mouth",
    }
    fixed |= {"misregistration": 0.0, "printer": "inkjet", "covers": "sheet", "eyes_y": 150.0, "wear": 0.0}
    fixed |= {"medium_width": 200.0, "fill": 0.9}
    for place in ((90.0, 80.0), (180.0, 130.0)):
        image = np.full((height, width, 3), 20, np.uint8)
        cv2.circle(image, (int(place[0]), int(place[1])), 5, (240, 240, 240), -1)
        operator, parameters = drawn(name, seed, **fixed)
        expected = operator.map_points(np.array([place]), parameters, width, height)[0]
        found = operator.apply(image, parameters).image[..., 1].astype(float)
        x0, y0 = np.rint(expected).astype(int)
        around = found[y0 - 12 : y0 + 13, x0 - 12 : x0 + 13]
        weight = np.maximum(around - np.percentile(around, 60) - 30, 0)
        y, x = np.mgrid[y0 - 12 : y0 + 13, x0 - 12 : x0 + 13]
        centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
        assert np.abs(centre - expected).max() < 0.6


@pytest.mark.parametrize("name", [*SHEETS, "mask-resin", "mask-silicone"])
def test_the_explanation_is_of_the_picture_that_is_made(name):
    image = picture(70, 90)
    operator, parameters = drawn(name, 6)
    plain, told = operator.apply(image, parameters), operator.explain(image, parameters)
    assert np.array_equal(plain.image, told.image)
    assert told.layers
    for layer in told.layers.values():
        assert layer.dtype == np.uint8
        assert layer.shape[:2] == (70, 90)
    if name in SHEETS:
        assert np.array_equal(
            plain.mask if plain.mask is not None else np.full((70, 90), 255), told.layers["coverage"]
        )


def test_folds_leave_white_lines_where_ink_flaked():
    operator, parameters = drawn("paper-folded", 3, wear=1.0, axis=0.0, folds=2)
    image = np.full((150, 150, 3), 60, np.uint8)
    inked = operator.inked(image, parameters)
    bright = np.flatnonzero(inked.mean((1, 2)) > 80)
    assert len(bright)
    assert len(bright) < 20
    assert (inked >= image).all()
    assert np.array_equal(operator.inked(image, parameters.model_copy(update={"wear": 0.0})), image)


@MASKS
def test_the_masks_normals_and_shading(name):
    _, parameters = drawn(name, 2, ambient=0.3, gloss=0.4)
    normals = mask_3d.normals(parameters, 120, 130)
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 1e-5
    assert normals[..., 2].min() > 0
    irradiance, gloss = mask_3d.shading(normals, parameters)
    off, turn = np.radians(parameters.lamp_angle), np.radians(parameters.lamp_azimuth)
    light = np.array([np.sin(off) * np.cos(turn), -np.sin(off) * np.sin(turn), np.cos(off)])
    lit = np.maximum(normals @ light, 0)
    assert np.abs(irradiance - (0.3 + 0.7 * lit / np.cos(off))).max() < 1e-4
    half = light + np.array([0, 0, 1])
    expected = (
        0.4 * np.maximum(normals @ half / np.linalg.norm(half), 0) ** parameters.gloss_exponent * (lit > 0)
    )
    assert np.abs(gloss - expected).max() < 1e-4


@MASKS
def test_a_mask_leaves_the_eyes_and_all_but_the_face_live(name):
    operator, parameters = drawn(name, 2, **IDEAL, ambient=1.0, rim=0.0)
    cover = mask_3d.outline(parameters, 200, 200)
    image = picture(200, 200)
    found = operator.apply(image, parameters)
    assert np.array_equal(found.mask, cover)
    eyes = parameters.to_picture(np.array([[-0.5, 0.0], [0.5, 0.0]]), 200, 200)
    assert [cover[round(y), round(x)] for x, y in eyes] == [0, 0]
    nose = parameters.to_picture(np.array([[FACE[0], FACE[1]]]), 200, 200)[0]
    assert cover[round(nose[1]), round(nose[0])] == 255
    reference = OPERATORS["capture"]
    values = {key: value for key, value in parameters.model_dump().items() if key in reference.draws()}
    live = reference.apply(image, reference.sample(Words.of(0), {**IDEAL, **values, "strength": 1.0})).image
    far = cv2.dilate(cover, np.ones((9, 9), np.uint8)) == 0
    assert np.abs(found.image[far].astype(int) - live[far]).max() <= 3


@MASKS
def test_a_mask_loses_colour_and_detail(name):
    image = picture(200, 200)
    _, parameters = drawn(name, 2)
    flat = np.ones((200, 200), np.float32)
    live = to_light(image)

    def painted(**fixed):
        changed = parameters.model_copy(update={"relit": 0.0, **fixed})
        return mask_3d.painted(live, flat, flat * 0, changed).astype(float) / 32768

    full, grey = painted(chroma=1.0, detail=1.0), painted(chroma=0.4, detail=1.0)
    assert np.abs(full - live / 32768).mean() < 0.05
    spread = [(p.max(-1) - p.min(-1)).mean() for p in (full, grey)]
    assert spread[1] < 0.7 * spread[0]
    rough, smooth = (painted(chroma=1.0, detail=d)[..., 1] for d in (1.0, 0.2))
    noise = [np.abs(p - cv2.GaussianBlur(p, (0, 0), 1.2)).mean() for p in (rough, smooth)]
    assert noise[1] < 0.7 * noise[0]
