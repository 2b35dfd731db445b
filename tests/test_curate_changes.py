"""What was changed of a sample, worked out by hand; no FiftyOne here."""

from __future__ import annotations

import pyarrow as pa
import pytest
from curate_parts import samples

from facedata.curate.fiftyone.changes import changes, contradictions
from facedata.curate.fiftyone.push import agreement
from facedata.curate.fiftyone.shown import BOX, POINTS, shown
from facedata.curate.fiftyone.skeletons import skeleton
from facedata.curate.fiftyone.survey import families, parsed
from facedata.datasets.errors import UsageError

UNITS = (4, 6, 12, 25, 43)
ATTRIBUTES = ("age", "glasses", "session", "note")


def rows():
    return {one.label: parsed(one.to_row()) for one, _, _ in samples(1)}


def edited(kind="live", **wanted):
    """The edits that follow where these paths hold other values (dots written as __)."""
    row = rows()[kind]
    before = shown(row, UNITS, ATTRIBUTES)
    now = before | {path.replace("__", "."): value for path, value in wanted.items()}
    made = changes(row, before, now)
    assert contradictions(row, made) == []
    return [(one.field, one.old, one.new, one.follows) for one in made]


@pytest.mark.parametrize("kind", ["live", "spoof"])
def test_what_nobody_touched_is_no_edit(kind):
    assert edited(kind) == []


def test_what_is_shown_tells_absent_ungraded_and_not_coded_apart():
    values = shown(rows()["live"], UNITS, ATTRIBUTES)
    assert [values[f"au.AU{unit}"] for unit in UNITS] == [0.0, 1.37, 3.3, None, None]
    assert values[BOX] == [[4.5 / 48, 3.25 / 40, 30 / 48, 31.5 / 40]]
    assert values[POINTS][0][2] == [20.5 / 48, 22.6 / 40]
    assert (values["attributes.age"], values["attributes.note"], values["tags"]) == (30.0, None, ["b"])


CASES = {
    "a spoof that is live": (
        ("spoof", {"label__label": "live"}),
        [("label", "spoof", "live", ""), ("attack", "print/laser|replay/lcd", "", "label")],
    ),
    "another attack": (
        ("spoof", {"attack__label": "mask"}),
        [("attack", "print/laser|replay/lcd", "mask", "")],
    ),
    "a live one that is an attack": (
        ("live", {"attack__label": "print"}),
        [("attack", "", "print", ""), ("label", "live", "spoof", "attack")],
    ),
    "a live one that is a spoof": (("live", {"label__label": "spoof"}), [("label", "live", "spoof", "")]),
    "no label": (("live", {"label__label": None}), [("label", "live", "", "")]),
    "both": (
        ("spoof", {"label__label": "live", "attack__label": None}),
        [("label", "spoof", "live", ""), ("attack", "print/laser|replay/lcd", "", "")],
    ),
    "a grade": (("live", {"au__AU12": 2.5}), [("au.12", "3.3", "2.5", "")]),
    "a slider's arithmetic": (("live", {"au__AU12": 2.4000000000000004}), [("au.12", "3.3", "2.4", "")]),
    "nothing but a slider's arithmetic": (("live", {"au__AU12": 3.3000000000000003}), []),
    "a grade of what was absent": (("live", {"au__AU4": 1.0}), [("au.4", "", "1", "")]),
    "a grade of what was ungraded": (("live", {"au__AU25": 2.0}), [("au.25", "", "2", "")]),
    "absent after all": (("live", {"au__AU6": 0.0}), [("au.6", "1.37", "0", "")]),
    "a grade of what was not coded": (
        ("live", {"au__AU43": 5.0}),
        [("au.43", "", "5", ""), ("au_domain", "4 6 12 25", "4 6 12 25 43", "au")],
    ),
    "not coded after all": (
        ("live", {"au__AU6": None}),
        [("au.6", "1.37", "", ""), ("au_domain", "4 6 12 25", "4 12 25", "au")],
    ),
    "absent, not coded after all": (
        ("live", {"au__AU4": None}),
        [("au_domain", "4 6 12 25", "6 12 25", "au")],
    ),
    "which were coded": (
        ("live", {"au_domain": [25, 12, 6, 4, 1]}),
        [("au_domain", "4 6 12 25", "1 4 6 12 25", "")],
    ),
    "the same in another order": (("live", {"au_domain": [25, 12, 6, 4]}), []),
    "a number": (("live", {"valence": -0.25}), [("valence", "0.1", "-0.25", "")]),
    "no number": (("live", {"arousal": None}), [("arousal", "-0.7", "", "")]),
    "a text": (("live", {"subject": " eve "}), [("subject", "person-0", "eve", "")]),
    "an empty text": (("live", {"split": " "}), [("split", "train", "", "")]),
    "the licence": (("live", {"source__licence": "CC-BY"}), [("source.licence", "CC0", "CC-BY", "")]),
    "a box": (("live", {BOX: [[0.25, 0.125, 0.5, 0.5]]}), [("box", "4.5 3.25 30 31.5", "12 5 24 20", "")]),
    "no box": (("live", {BOX: []}), [("box", "4.5 3.25 30 31.5", "", "")]),
    "points": (
        ("live", {POINTS: [[[0.5, 0.5], [0.25, 0.75]]]}),
        [("landmarks", "10.1 12.2 30.3 12.4 20.5 22.6 12.7 30.8 28.9 31.1", "24 20 12 30", "")],
    ),
    "tags": (
        ("live", {"tags": ["b", "a", "audit:leaks"]}),
        [("attributes.tags", '["b"]', '["a", "b"]', "")],
    ),
    "no tags": (("live", {"tags": []}), [("attributes.tags", '["b"]', "", "")]),
    "a first tag": (("spoof", {"tags": ["look"]}), [("attributes.tags", "", '["look"]', "")]),
    "a whole number": (("live", {"attributes__age": 31.0}), [("attributes.age", "30", "31", "")]),
    "a truth": (("live", {"attributes__glasses": True}), [("attributes.glasses", "false", "true", "")]),
    "a text that looks like a number": (
        ("live", {"attributes__session": "008"}),
        [("attributes.session", "007", "008", "")],
    ),
    "a new one": (("live", {"attributes__note": "8"}), [("attributes.note", "", '"8"', "")]),
}


@pytest.mark.parametrize(("given", "wanted"), CASES.values(), ids=CASES.keys())
def test_a_change_is_an_edit_and_what_follows_of_it(given, wanted):
    kind, values = given
    found = edited(kind, **values)
    assert len(found) == len(wanted)
    for (field, old, new, follows), (name, olds, *rest) in zip(found, wanted, strict=True):
        assert (field, [new, follows]) == (name, rest)
        assert old in (olds.split("|") if name == "attack" else [olds])


def test_what_contradicts_itself_is_told():
    row = rows()["live"]
    before = shown(row, UNITS, ATTRIBUTES)
    made = changes(row, before, before | {"valence": 3.0})
    assert contradictions(row, made) == ["valence 3.0 is not in [-1, 1]"]
    spoof = rows()["spoof"]
    before = shown(spoof, UNITS, ATTRIBUTES)
    made = changes(spoof, before, before | {"label.label": "live", "attack.label": "mask"})
    assert contradictions(spoof, made) == ["attack 'mask' on a live sample"]
    with pytest.raises(UsageError, match="2 of box, and a sample has one"):
        changes(spoof, before, before | {BOX: [[0, 0, 1, 1], [0, 0, 0.5, 0.5]]})
    with pytest.raises(UsageError, match="control character"):
        changes(spoof, before, before | {"subject": "a\x07b"})


def test_families_go_up_to_the_first_ancestor_that_is_known():
    lines = [("a", None), ("b", "a"), ("c", "b"), ("d", "gone"), ("e", "gone"), ("f", "e")]
    ids, parents = zip(*lines, strict=True)
    found = families(pa.table({"sample_id": pa.array(ids), "parent_id": pa.array(parents, pa.string())}))
    assert found.ids.to_pylist() == ["a", "a", "a", "gone", "gone", "gone"]
    assert found.generations.to_pylist() == [0, 1, 2, 1, 1, 2]


@pytest.mark.parametrize("points", [5, 68, 106])
def test_a_skeleton_names_every_point_and_draws_no_other(points):
    found = skeleton(points)
    assert len(found.names) == len(set(found.names)) == points
    assert {point for line in found.lines for point in line} <= set(range(points))
    assert skeleton(7) is None


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({}, None),
        ({"votes": {"anger": 6, "fear": 4}}, 0.6),
        ({"votes": {"anger": 0}}, None),
        ({"adjudicated": {"au": {"6": 0.9, "12": 0.95}, "expression": {"expression": 0.8}}}, 0.8),
        ({"adjudicated": {"expression": 0.7}, "votes": {"anger": 1}}, 0.7),
    ],
)
def test_agreement_is_the_share_of_the_most_or_the_least_probability(attributes, wanted):
    assert agreement(attributes) == wanted
