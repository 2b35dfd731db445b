"""Conditions on rows: what they select, what they refuse, and that nothing in them is run."""

from __future__ import annotations

import pytest

from facedata.datasets.errors import DatasetError, UsageError
from facedata.datasets.sample import SCHEMA, Layer, Sample, Source, to_table
from facedata.datasets.versions.expression import Expression


def row(number: int, **values) -> Sample:
    return Sample(sample_id=f"{number}", image="x", content_hash="0", width=100 * number, height=50, **values)


ROWS = to_table(
    [
        row(
            1,
            label="live",
            subject="ada",
            au={12: 2.5, 6: 0.0},
            au_domain=(6, 12),
            box=(1.0, 2.0, 30.0, 40.0),
        ),
        row(
            2,
            label="spoof",
            attack="print/laser",
            subject="Ben",
            attributes={"age": 30, "pose": {"yaw": 5.5}},
        ),
        row(3, label="spoof", attack="replay/lcd", source=Source(dataset="oulu", file="v/1.avi", frame=7)),
        row(4, attributes={"age": 41, "glasses": True, "note": "a print"}, parameters={"policy": "mixed"}),
        row(
            5,
            label="live",
            seed=2**60 + 1,
            valence=-0.5,
            layers=(Layer(name="mask", ref="r", content_hash="1"),),
        ),
    ]
)

SELECTED = {
    'label == "spoof" and attack.startswith("print")': "2",
    'label == "spoof" or subject == "ada"': "123",
    'not label == "spoof"': "145",
    "width > 200": "345",
    "150 <= width < 400": "23",
    "width * height == 5000": "1",
    "(width - 100) / 100 % 2 == 1": "24",
    "-width < -300": "45",
    "width // 300 == 1": "345",
    "width / 0 > 1": "12345",
    "abs(valence) == 0.5": "5",
    "seed == 1152921504606846977": "5",
    "seed == 1152921504606846976": "",
    # null is a value: it equals itself and differs from all else
    "attack is None": "145",
    "attack == None": "145",
    "attack is not None": "23",
    'attack != "print/laser"': "1345",
    'not attack.startswith("print")': "1345",
    "valence < 0": "5",
    "not valence < 0": "1234",
    "valence + 1 > 0": "5",
    'label in ["live", None]': "145",
    'label not in ("live", "spoof")': "4",
    "attack in []": "",
    # texts
    'attack.endswith("lcd") or attack.contains("laser")': "23",
    'attack.startswith(("print", "replay"))': "23",
    '"r" in attack': "23",
    'subject.lower() == "ben"': "2",
    'subject.upper() in ["ADA", "BEN"]': "12",
    "len(subject) == 3": "12",
    # inside columns
    'source.dataset == "oulu" and source.frame >= 7': "3",
    "attributes.age > 35": "4",
    'attributes["age"] in [30, 41.0]': "24",
    "attributes.pose.yaw == 5.5": "2",
    "attributes.nothing.at.all == 1": "",
    "attributes.glasses": "4",
    'attributes.note.contains("print")': "4",
    'parameters.policy == "mixed"': "4",
    "au[12] >= 2": "1",
    "au[6] == 0": "1",
    "au[1] is None": "12345",
    "12 in au_domain": "1",
    "12 in au": "1",
    '"mask" in layers': "5",
    "box[2] > 20": "1",
    "box[-1] == 40": "1",
    "box[9] is None": "12345",
    "len(box) == 4": "1",
    "true": "12345",
    "False": "",
    "  width > 400  ": "5",
}


@pytest.mark.parametrize(("text", "expected"), SELECTED.items(), ids=SELECTED.keys())
def test_conditions_select(text, expected):
    mask = Expression(text).mask(ROWS)
    assert mask.null_count == 0
    assert "".join(ROWS.filter(mask)["sample_id"].to_pylist()) == expected


REFUSED = {
    "lable == 1": "at 1: 'lable': no column of that name; did you mean 'label'",
    'source.fil == "x"': "no 'fil' here; there are dataset, file",
    'label = "spoof"': "compare with ==",
    "label ==": "invalid syntax",
    "": "invalid syntax",
    "label": "is a value, not a condition",
    'width == "wide"': "a number cannot be compared with a text",
    "abs(label) > 1": "'label': is a text, not a number",
    'label + "x" == "livex"': "is a text, not a number",
    'é == 1 and lable == "x"': "at 1: 'é'",
    '"é" == subject and lable == "x"': "at 20: 'lable'",
    "box == 3": "is a list; use `in`",
    "attributes": "holds further names",
    "attributes.note == 3 or attributes.age == 1": "a text cannot be compared with a number",
    'label is "live"': "`is` is for None",
    "label.startswith(attack)": "takes a text in quotes",
    "label.title() == 1": "is no function here",
    # what somebody might try
    '__import__("os").system("true")': "is no function here",
    "open('/etc/passwd')": "is no function here",
    "().__class__.__bases__[0].__subclasses__()": "is no function here",
    'label.__class__ == "x"': "a text has no member '__class__'",
    "source.__class__ is None": "no '__class__' here",
    "9**9**9**9 > width": "the arithmetic is",
    '"a" * 10**9 == label': "is a text, not a number",
    "width == 99999999999999999999": "is no text, number, boolean or None that a row could hold",
    "[r for r in (1, 2)] == 1": "is not part of this language",
    "(lambda: 1)() == 1": "is no function here",
    "(width := 3) == 3": "is not part of this language",
    'label == f"{width}"': "is not part of this language",
    "1 if label else 2": "is not part of this language",
    "width << 3 == 800": "the arithmetic is",
    "(" * 300 + "1" + ")" * 300: "too many nested parentheses|cannot be parsed",
    "not " * 1500 + "true": "more than 2000 parts",
    "1" + " + 1" * 700 + " > width": "nested too deeply|more than 2000 parts",
    "a" * 20_000: "20000 characters",
    "width > 1\0": "null byte",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items(), ids=[text[:40] for text in REFUSED])
def test_what_cannot_work_is_refused_with_its_place(text, words):
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace("*", r"\*")) as caught:
        Expression(text).mask(ROWS)
    assert len(str(caught.value)) < 600


def test_dunder_names_inside_json_are_only_names():
    assert Expression("attributes.__class__ is None").mask(ROWS).to_pylist() == [True] * 5


def test_columns_are_those_that_are_read():
    assert Expression('label == "x" and source.file is None or au[1] > 2').columns == (
        "label",
        "au",
        "source",
    )


def test_an_empty_table_has_an_empty_mask():
    assert len(Expression('label == "x" and attributes.a == 1').mask(SCHEMA.empty_table())) == 0


def test_attributes_of_several_types_are_named():
    mixed = to_table([row(1, attributes={"age": "old"}), row(2, attributes={"age": 3})])
    with pytest.raises(UsageError, match=r"'attributes.age': holds values of several types"):
        Expression("attributes.age == 3").mask(mixed)


def test_json_that_was_broken_by_hand_is_named():
    table = to_table([row(1)])
    table = table.set_column(SCHEMA.get_field_index("attributes"), SCHEMA.field("attributes"), [["{oops"]])
    with pytest.raises(DatasetError, match="is no JSON object; facedata validate"):
        Expression("attributes.a == 1").mask(table)
