"""Colour operators against colour standards: LittleCMS, published matrices, published inks."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from facedata.augment.colour import D50, PROFILES, lab_to_xyz, xyz_to_lab
from facedata.augment.light import srgb_decode
from facedata.augment.press import CONDITIONS
from facedata.augment.registry import OPERATORS
from facedata.augment.textures import planckian
from facedata.datasets.words import Words

RNG = np.random.default_rng(11)


def apply(name, image, seed=0, **given):
    operator = OPERATORS[name]
    return operator.apply(image, operator.sample(Words.of(seed, name), given)).image


# color-diversity


def s15(value):
    return struct.pack(">i", round(value * 65536))


def icc_bytes(profile):
    """A minimal matrix/TRC display profile, ICC version 4.2."""
    matrix = profile.to_pcs()
    c = profile.curve
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + b"".join(map(s15, (c.g, c.a, c.b, c.c, c.d)))
    xyz = [b"XYZ " + bytes(4) + b"".join(map(s15, v)) for v in (*matrix.T, D50)]
    text = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 2, 28) + "x".encode("utf-16-be")
    tags = {b"rXYZ": xyz[0], b"gXYZ": xyz[1], b"bXYZ": xyz[2], b"wtpt": xyz[3]}
    tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve, b"desc": text, b"cprt": text}
    table, data, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        body += bytes(-len(body) % 4)
        table += name + struct.pack(">II", offset + len(data), len(body))
        data += body
    head = struct.pack(">I4sI4s4s4s", offset + len(data), bytes(4), 0x04200000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(s15, D50))
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + data


@pytest.mark.parametrize("target", PROFILES)
@pytest.mark.parametrize("source", ["srgb", "adobe-rgb-1998", "prophoto-rgb", "rec-2020", "eci-rgb-v2"])
def test_conversion_agrees_with_littlecms(source, target):
    image = RNG.integers(0, 256, (96, 96, 3)).astype(np.uint8)
    exact = np.linalg.solve(PROFILES[target].to_pcs(), PROFILES[source].to_pcs())
    linear = PROFILES[source].curve.decode(image / 255) @ exact.T
    inside = ((linear > 0.002) & (linear < 1)).all(-1)
    profiles = [ImageCms.ImageCmsProfile(io.BytesIO(icc_bytes(PROFILES[n]))) for n in (source, target)]
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    # LittleCMS is asked for full precision; its 8-bit shortcut rounds the tone curves
    theirs = ImageCms.profileToProfile(
        Image.fromarray(image), *profiles, renderingIntent=intent, flags=ImageCms.Flags.HIGHRESPRECALC
    )
    ours = apply("color-diversity", image, source=source, target=target, strength=1.0)
    difference = np.abs(np.asarray(theirs).astype(int) - ours)[inside]
    assert inside.mean() > 0.05
    assert difference.mean() <= 0.3
    assert difference.max() <= 3


def test_profiles_have_the_published_matrices():
    srgb = [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
    assert np.allclose(PROFILES["srgb"].to_pcs(), srgb, atol=3e-4)
    romm = [[0.7976749, 0.1351917, 0.0313534], [0.2880402, 0.7118741, 0.0000857], [0, 0, 0.82521]]
    assert np.allclose(PROFILES["prophoto-rgb"].to_pcs(), romm, atol=5e-4)
    for profile in PROFILES.values():
        assert np.allclose(profile.to_pcs().sum(1), D50, atol=1e-12)
        ramp = np.linspace(0, 1, 50)
        assert np.allclose(profile.curve.encode(profile.curve.decode(ramp)), ramp, atol=2e-4)


# color-distortion

INKS = {
    "paper": (0, 0, 0, 0),
    "cyan": (1, 0, 0, 0),
    "magenta": (0, 1, 0, 0),
    "yellow": (0, 0, 1, 0),
    "black_ink": (0, 0, 0, 1),
    "red": (0, 1, 1, 0),
    "green": (1, 0, 1, 0),
    "blue": (1, 1, 0, 0),
    "three": (1, 1, 1, 0),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_solids_have_the_published_colours(name):
    condition = CONDITIONS[name]
    for field, inks in INKS.items():
        lab = xyz_to_lab(condition.xyz(np.array([inks], float)))[0]
        assert np.linalg.norm(lab - getattr(condition, field)) < 0.01, field
    # and through the whole operator, where sRGB holds the colour
    for field, inks in INKS.items():
        rgb = np.linalg.solve(
            PROFILES["srgb"].to_pcs(), lab_to_xyz(np.array(getattr(condition, field), float))
        )
        if inks[3] or inks[:3] == (1, 1, 1) or rgb.min() < 0 or rgb.max() > 1:
            continue
        code = np.array([255 * (1 - ink) for ink in inks[:3]], np.uint8)
        seen = apply("color-distortion", np.tile(code, (2, 2, 1)), condition=name, strength=1.0)[0, 0]
        lab = xyz_to_lab(PROFILES["srgb"].to_pcs() @ srgb_decode(seen / 255))
        assert np.linalg.norm(lab - getattr(condition, field)) < 1.0, field


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("ink", range(4))
def test_dot_gain_is_the_stated_one(name, ink):
    condition, channel = CONDITIONS[name], (0, 1, 2, 1)[ink]
    steps = np.zeros((3, 4))
    steps[:, ink] = (0, 0.5, 1)
    paper, middle, solid = condition.xyz(steps)[:, channel]
    area = (paper - middle) / (paper - solid)
    assert area - 0.5 == pytest.approx(condition.gain_black if ink == 3 else condition.gain, abs=1e-9)


def test_fogra39_is_written_down_right():
    """ISO 12647-2:2004/Amd 1, self backing: CIELAB of the solids of coated paper."""
    solids = {
        "cyan": (55, -37, -50),
        "magenta": (48, 74, -3),
        "yellow": (89, -5, 93),
        "black_ink": (16, 0, 0),
    }
    for field, published in solids.items():
        lab = xyz_to_lab(CONDITIONS["fogra39-coated"].xyz(np.array([INKS[field]], float)))[0]
        assert np.allclose(lab, published, atol=0.01)


def test_black_bodies_have_their_colours():
    assert np.allclose(planckian(6504), 1, atol=0.06)
    warm, cold = planckian(2856), planckian(10000)
    assert warm[0] > warm[1] > warm[2]
    assert cold[2] > cold[1] > cold[0]
