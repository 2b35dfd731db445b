"""Signs of a medium: claimed where physics left them visible, by the operators' own truth and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facedata.annotate.evidence import evidence_of, region_of
from facedata.annotate.sandbox import condition, template
from facedata.annotate.signs import filled, signs_of
from facedata.annotate.tasks import load_task
from facedata.annotate.visible import measures
from facedata.augment.registry import OPERATORS
from facedata.datasets.errors import UsageError
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

WHOLE = {"boxes": [[0, 0, 128, 128]], "share": 1.0, "edges": []}


def attack(operator, *later, region=WHOLE, **changes):
    """Names of the signs of a row that the operator made, with these parameters."""
    drawn = OPERATORS[operator].sample(Words.of("signs", operator)).model_dump(mode="json")
    steps = [{"operator": operator, "parameters": {**drawn, **changes}, "version": 1}]
    steps += [{"operator": name, "parameters": {}, "version": 1} for name in later]
    sample = Sample(
        sample_id="a",
        image="",
        content_hash="0",
        width=128,
        height=128,
        label="spoof",
        attack=OPERATORS[operator].attack,
        parameters={"steps": steps},
    )
    return {sign["name"] for sign in signs_of(sample, region)}


# k = f p_d / (Z p_s): 5 mm, 100 dpi (.254 mm), 1.27 um photosites give k = 1000 mm / Z.
NEAR = {
    "lattice": "rgb-stripe",
    "density": 100.0,
    "focal_length": 5.0,
    "photosite": 1.27,
    "oversample": 1,
    "roll": 0.0,
    "defocus": 0.1,
    "f_number": 1.0,
}


def lattice(distance, **changes):
    p = OPERATORS["replay-lcd"].sample(Words.of("lattice")).model_dump(mode="json")
    return measures("replay-lcd", {**p, **NEAR, "distance": distance, **changes}, {}, 256, 256)


def test_a_grid_of_five_photosites_is_seen_as_it_is():
    found = lattice(200.0)  # k = 5: .2 cycles a photosite, below the .25 that red and blue resolve
    assert found["grid_period"] == pytest.approx(5, rel=1e-3)
    assert "moire" not in found or found["moire"] < found["grid"]


def test_a_grid_finer_than_the_filters_folds_back():
    found = lattice(1000 / 2.2)  # 1 / 2.2 cycles a photosite; red and blue: |1 / 2.2 - 1 / 2| = 1 / 22
    assert found["moire_period"] == pytest.approx(22, rel=1e-2)
    assert "grid" not in found  # green sees 2.2 px a period, which is finer than anybody sees


def test_defocus_takes_lattice_and_moire_away():
    assert "moire" in attack("replay-lcd", **NEAR, distance=1000 / 2.2)
    assert not {"moire", "pixel-grid"} & attack("replay-lcd", **{**NEAR, "defocus": 1.5}, distance=1000 / 2.2)
    assert not {"moire", "pixel-grid"} & attack("replay-lcd", "hand-trembling", **NEAR, distance=1000 / 2.2)
    assert not {"moire", "pixel-grid"} & attack("replay-lcd", **NEAR, distance=1000 / 2.2, strength=0.2)


@pytest.mark.parametrize("operator", ["replay-lcd", "replay-oled"])
def test_waves_agree_with_what_the_operator_itself_predicts(operator):
    """Seen straight on, in a scene drawn at random: claimed with the truth whenever claimed without it."""
    image = np.full((64, 64, 3), 128, np.uint8)
    claimed = agreed = 0
    for number in range(25):
        words = Words.of("agree", operator, number)
        p = OPERATORS[operator].sample(words)
        near = {"density": 330.0, "distance": 60.0 + 4 * number} if operator == "replay-oled" else {}
        p = p.model_copy(update={"tilt": 0.0, "pan": 0.0, "distortion": 0.0, "defocus": 0.15, **near})
        plain = measures(operator, p.model_dump(mode="json"), {}, 64, 64)
        told = measures(
            operator, p.model_dump(mode="json"), OPERATORS[operator].explain(image, p).facts, 64, 64
        )
        for name in ("grid", "moire"):
            if plain.get(name, 0) >= 0.06:
                claimed += 1
                agreed += told.get(name, 0) >= 0.03
    assert claimed >= 5
    assert agreed == claimed


def test_wheel_bars_need_an_exposure_of_broken_turns():
    bars = {
        "engine": "dlp",
        "wheel_frequency": 100.0,
        "row_time": 20.0,
        "frame_rows": 1000,
        "wheel_duty": 0.3,
    }
    # 20 ms for the frame: two turns; an exposure of one whole turn has seen each colour equally long
    assert "colour-bars" in attack("replay-projector", **bars, exposure_time=0.005)
    assert "colour-bars" not in attack("replay-projector", **bars, exposure_time=0.01)
    assert "colour-bars" not in attack("replay-projector", **{**bars, "engine": "lcd"}, exposure_time=0.005)


def test_bands_by_hand():
    p = OPERATORS["replay-lcd"].sample(Words.of("bands")).model_dump(mode="json")
    p |= {"flicker_depth": 0.2, "flicker_duty": 0.0, "flicker_frequency": 100.0, "exposure_time": 0.005}
    p |= {"row_time": 10.0, "frame_rows": 2000}
    found = measures("replay-lcd", p, {}, 64, 64)
    assert found["flicker"] == pytest.approx(0.2 * math.sin(math.pi / 2) / (math.pi / 2), abs=1e-4)
    assert found["flicker_bands"] == pytest.approx(2)


def test_prints_show_what_their_sheet_has():
    sheet = {"part": "whole", "d_max": 2.2, "gloss": 0.01, "margin": 0.0, "fibre": 0.1, "fill": 1.1}
    sheet |= {"medium_width": 200.0, "banding": 0.3, "misregistration": 0.0}
    assert attack("print-laser", **sheet) == set()
    assert attack("print-laser", **{**sheet, "d_max": 1.2}) == {"grey-blacks"}  # 10^-1.2 = .063 of the paper
    # 120 lpi on 20 mm over 128 px and fill 1.1: .2117 mm a cell are 1.49 px; on 8 mm, 3.7 px
    assert attack("print-laser", **{**sheet, "medium_width": 20.0, "ruling": 120.0}) == set()
    dots = {**sheet, "medium_width": 8.0, "ruling": 120.0, "defocus": 0.3}
    assert attack("print-laser", **dots) == {"halftone-dots"}
    edges = {**WHOLE, "share": 0.8, "edges": ["left"]}
    assert attack("print-laser", region=edges, **sheet) == {"sheet-edge"}
    part = {**WHOLE, "share": 0.5, "edges": ["left"]}
    assert attack("print-laser", region=part, **{**sheet, "part": "right"}) == {"partial-sheet"}


def test_a_lamp_is_mirrored_halfway():
    sheet = {"part": "whole", "gloss": 1.0, "gloss_exponent": 300.0, "lamp_angle": 30.0, "lamp_azimuth": 90.0}
    # a lamp 30 deg above is mirrored by a sheet that looks 15 deg up: its top leans away
    assert "gloss-highlight" in attack("print-inkjet", **sheet, tilt=15.0, pan=0.0)
    assert "gloss-highlight" not in attack("print-inkjet", **sheet, tilt=-15.0, pan=0.0)


def test_a_print_on_a_screen_shows_the_screen():
    p = [
        OPERATORS[name].sample(Words.of(name)).model_dump(mode="json") for name in ("paper-cut", "replay-lcd")
    ]
    steps = [
        {"operator": "paper-cut", "parameters": p[0]},
        {"operator": "replay-lcd", "parameters": {**p[1], **NEAR, "distance": 200.0}},
    ]
    sample = Sample(
        sample_id="a",
        image="",
        content_hash="0",
        width=99,
        height=99,
        label="spoof",
        attack="replay/lcd",
        parameters={"steps": steps},
    )
    names = {sign["name"] for sign in signs_of(sample, WHOLE)}
    assert "pixel-grid" in names
    assert "cut-holes" not in names


def test_live_pictures_get_signs_of_live_and_of_the_camera_only():
    capture = OPERATORS["capture"].sample(Words.of("c")).model_dump(mode="json")
    capture |= {
        "shot_noise": 0.001,
        "flare_strength": 0.0,
        "defocus": 0.3,
        "side_light": 0.0,
        "flicker_depth": 0,
    }
    sample = Sample(sample_id="a", image="", content_hash="0", width=99, height=99, label="live")
    assert {sign["kind"] for sign in signs_of(sample, None)} == {"live"}
    made = sample.replace(parameters={"steps": [{"operator": "capture", "parameters": capture}]})
    camera = [sign["name"] for sign in signs_of(made, None) if sign["kind"] == "camera"]
    assert camera == ["camera-noise"]
    assert signs_of(sample.replace(label=None), None) is None


def test_a_region_has_the_boxes_share_and_open_sides_of_its_mask():
    mask = np.zeros((50, 100), np.uint8)
    mask[10:, :80] = 255
    mask[0, 99] = 255  # a speck
    found = region_of(mask)
    assert found["boxes"] == [[0, 10, 80, 40]]
    assert found["share"] == pytest.approx((80 * 40 + 1) / 5000, abs=1e-4)
    assert found["edges"] == ["upper", "right"]
    assert region_of(np.zeros((9, 9), np.uint8)) is None


def test_detected_units_count_where_nobody_coded_and_never_over_a_human():
    told = {"openface": {"au_domain": [1, 4, 12], "au_present": [12], "au": {"12": 2.2, "4": 0.3}}}
    sample = Sample(
        sample_id="a", image="", content_hash="0", width=9, height=9, attributes={"detected": told}
    )
    (unit,) = evidence_of(sample)["aus"]
    assert (unit["au"], unit["origin"], unit["tool"], unit["grade"]) == (12, "detector", "openface", "B")
    assert evidence_of(sample)["absent"] == [1, 4]
    coded = evidence_of(sample.replace(au={}, au_domain=(12,)))
    assert coded["aus"] == []
    assert coded["coded"] == [12]


def test_a_condition_on_what_is_not_known_does_not_hold():
    assert condition("m.moire > 0.1", m={"moire": 0.2})
    assert not condition("m.moire > 0.1", m={})
    assert not condition("p.part != 'whole' and p.nothing > 1", p={"part": "left"})
    with pytest.raises(KeyError):
        filled("{gap}", {})


ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ evidence.__class__ }}",
    "{{ pick.__self__ }}",
    "{{ pick.__call__.__globals__ }}",
    "{{ say.__func__ }}",
    "{{ ('x' * 1000000000) | length }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ 'x'.ljust(1000000000) }}",
    "{{ 'x' | center(1000000000) }}",
    "{{ range(10) }}",
    "{{ cycler }}",
    "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% for d in [1] %}x{% endfor %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{{ [].append(1) }}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_templates_reach_nothing_and_fill_no_memory(text, tmp_path):
    path = tmp_path / "task.yaml"
    quoted = text.replace('"', '\\"')
    path.write_text(
        f'name: bad\nversion: 1\nabout: x\nsource: x\nprompt: x\nresponse: {{}}\nrules: "{quoted}"\n'
        "turns: [{ask: [x], answer: x}]\n"
    )
    with pytest.raises(UsageError):
        load_task(path).written({"picture": {}}, Words.of(1))


def test_plain_templates_do_work():
    assert template("{{ [1, 2] | joined }} {{ 'ab'.upper() }} {{ 3 * 4 }}").render() == "1 and 2 AB 12"
