"""Lists in every format: what a map takes from them, what is kept, and what is refused."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import jpeg
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.list_values import parse_columns
from facedata.datasets.lists import list_source
from facedata.datasets.task import Ingest

MAP = "path=filename,label=class,subject=person_id,expression=emo"


def write(path, rows):
    """Write rows in the format that the name says; missing values are None."""
    names = list(rows[0])
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".jsonl", ".ndjson"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    else:
        between = "\t" if path.suffix == ".tsv" else ","
        lines = [
            names,
            *([str(row[name]) if row[name] is not None else "" for name in names] for row in rows),
        ]
        path.write_text("\ufeff" + "".join(between.join(line) + "\r\n" for line in lines), "utf-8")
    return path


def ingested(source, target):
    run("ingest", Ingest(), source, target, None, Options())
    return {sample.source.file: sample for sample in Dataset.open(target)}


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate("abc"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(number))
    return tmp_path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
def test_every_format_gives_the_same_fields(pictures, suffix):
    rows = [
        {"filename": "a.jpg", "Class": 1, "person_id": 7, "emo": "fear", "valence": 0.5, "camera": "left"},
        {"filename": "b.jpg", "Class": 0, "person_id": None, "emo": None, "valence": None, "camera": None},
    ]
    path = write(pictures / f"list.{suffix}", rows)
    source = open_input(path, Reading(label_map="live=1,spoof=0", map=MAP, split="train"))
    found = ingested(source, pictures / "out")
    a, b = found["a.jpg"], found["b.jpg"]
    assert (a.label, a.subject, a.expression, a.valence, a.split) == ("live", "7", "fear", 0.5, "train")
    assert a.attributes == {"camera": "left"}
    assert (b.label, b.subject, b.expression, b.valence, b.attributes) == ("spoof", None, None, None, None)


def test_a_mapped_column_leaves_its_own_name_to_the_attributes(pictures):
    """`label` holds something else here: it is kept, and not taken for the label."""
    rows = [{"path": "a.jpg", "label": "blurred", "truth": "live"}]
    (item,) = list_source(write(pictures / "list.csv", rows), {}, columns="label=truth").items
    assert item.values == {"label": "live", "attributes": {"label": "blurred"}}


def test_a_column_that_is_mapped_elsewhere_is_not_used_for_its_own_name(pictures):
    rows = [{"path": "a.jpg", "domain": "p7", "split": "train"}]
    (item,) = list_source(write(pictures / "list.csv", rows), {}, columns="subject=domain").items
    assert item.values == {"subject": "p7", "split": "train"}


STRUCTURED = {
    "box text": ({"box": "1 2 30 31"}, {"box": (1, 2, 30, 31)}),
    "box list": ({"box": [1, 2, 30, 31.5]}, {"box": (1, 2, 30, 31.5)}),
    "landmarks": ({"landmarks": [[1, 2], [3, 4.5]]}, {"landmarks": ((1, 2), (3, 4.5))}),
    "au object": ({"au": {"AU6": 2, "12": None}}, {"au": {6: 2.0, 12: None}}),
    "au list": ({"au": [{"au": 12, "intensity": 5}]}, {"au": {12: 5.0}}),
    "au in text": ({"au": '{"12": 3}'}, {"au": {12: 3.0}}),
    "domain list": ({"au_domain": [12, 6]}, {"au_domain": (6, 12)}),
    "domain text": ({"au_domain": "AU06, 12 25"}, {"au_domain": (6, 12, 25)}),
    "nested attributes": ({"x": {"y": [1, None]}}, {"attributes": {"x": {"y": [1, None]}}}),
    "empty cells": ({"subject": " ", "x": "", "y": None}, {}),
    "whole numbers of a table with gaps": ({"subject": 3.0}, {"subject": "3"}),
    "truth values": ({"subject": True, "x": False}, {"subject": "true", "attributes": {"x": False}}),
}


@pytest.mark.parametrize(("cells", "fields"), STRUCTURED.values(), ids=STRUCTURED.keys())
def test_values_that_are_more_than_a_word(pictures, cells, fields):
    path = write(pictures / "list.jsonl", [{"path": "a.jpg", **cells}])
    (item,) = list_source(path, {}).items
    assert item.values == fields
    (item,) = list_source(path, {}).items[0:1]
    assert next(iter(item.load(10**6))).sample.problems() == []


def test_parquet_types_that_json_has_not(pictures):
    table = pa.table(
        {
            "path": ["a.jpg"],
            "when": [datetime.datetime(2024, 5, 6, 7, 8)],
            "day": [datetime.date(2024, 5, 6)],
            "valence": [float("nan")],
            "picture": [{"bytes": b"\xff\xd8", "path": None}],
            "hash": [b"\x00\x01"],
        }
    )
    pq.write_table(table, pictures / "list.parquet")
    source = list_source(pictures / "list.parquet", {})
    assert source.items[0].values == {"attributes": {"when": "2024-05-06T07:08:00", "day": "2024-05-06"}}
    assert source.notes == ["list.parquet: passed over, of bytes: picture, hash"]


# Rows after a good one, in the format that the name says; the reason; all else is read.
BAD_ROWS = {
    "ragged": (
        "list.csv",
        "path,label\nb.jpg,live\na.jpg\nc.jpg,spoof\n",
        r"^list.csv:3: 2 columns expected",
    ),
    "too many": (
        "list.tsv",
        "path\tlabel\nb.jpg\tlive\na.jpg\tlive\tx\n",
        r"^list.tsv:3: 2 columns expected",
    ),
    "label outside": ("list.csv", "path,label\nb.jpg,live\na.jpg,9\n", r"^list.csv:3: label '9' is not live"),
    "no path": ("list.csv", "path,label\nb.jpg,live\n,live\n", r"^list.csv:3: no path \(column 'path'\)"),
    "number": (
        "list.csv",
        "path,valence\nb.jpg,0\na.jpg,-inf\n",
        r"^list.csv:3: valence '-inf' is not a number",
    ),
    "no JSON": ("list.jsonl", '{"path": "b.jpg"}\n{"path": \n', r"^list.jsonl:2: no JSON object"),
    "no object": ("list.jsonl", '{"path": "b.jpg"}\n["a.jpg"]\n', r"^list.jsonl:2: no JSON object \(not an"),
    "NaN": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a.jpg", "x": NaN}\n',
        r"^list.jsonl:2: .*NaN is no JSON",
    ),
    "names": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a.jpg", "PATH": "c.jpg"}\n',
        r"list.jsonl:2: .*case alone",
    ),
    "a list for a word": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": ["a"]}\n',
        r"list.jsonl:2: path \['a'\] is",
    ),
    "a box of text": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a", "box": {"x": 1}}\n',
        r"list.jsonl:2: box",
    ),
    "marks": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a", "landmarks": [1]}\n',
        r"jsonl:2: landmarks are not",
    ),
    "units": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a", "au": {"B1": 2}}\n',
        r"jsonl:2: 'B1' is no action",
    ),
    "grades": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a", "au": {"1": "x"}}\n',
        r":2: au 1 'x' is not a number",
    ),
    "no units": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a", "au": 12}\n',
        r"jsonl:2: au 12 is not intensities",
    ),
    "domain": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a", "au_domain": 12}\n',
        r":2: au_domain 12 is no list",
    ),
    "null in a path": (
        "list.jsonl",
        '{"path": "b.jpg"}\n{"path": "a\\u0000"}\n',
        r":2: the path holds a null",
    ),
}


@pytest.mark.parametrize(("name", "text", "words"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_named_and_the_rest_is_read(pictures, name, text, words):
    (pictures / name).write_text(text, "utf-8")
    source = list_source(pictures / name, {})
    assert [failure.place for failure in source.failures] == [f"{name}:{3 if name[-2:] == 'sv' else 2}"]
    with pytest.raises(UsageError, match=words):
        raise UsageError(source.failures[0].reason)
    assert source.items[0].place == "b.jpg"
    assert len(source.items) == 1 + text.count("c.jpg,spoof")


def test_a_missing_picture_is_named_by_its_line(pictures):
    (pictures / "list.csv").write_text("path\na.jpg\ngone.jpg\n")
    result = run(
        "ingest", Ingest(), list_source(pictures / "list.csv", {}), pictures / "out", None, Options()
    )
    (failure,) = result.record.failures
    assert failure.reason.startswith("list.csv:3: gone.jpg: no such file")


MAPS = {
    "no such column": (
        "label=klass",
        "list.csv",
        r"--map label=klass: list.csv has no such column; it has path",
    ),
    "no field": ("colour=path", "list.csv", r"'colour' is no field; the fields are path, label"),
    "no column": ("path=", "list.csv", r"not of the form FIELD=COLUMN"),
    "two columns": ("path=a,path=b", "list.csv", r"gives path two columns"),
    "no path column in any line": (
        "path=file name",
        "list.jsonl",
        r"list.jsonl:1: no path \(column 'file name'\)",
    ),
}


@pytest.mark.parametrize(("columns", "name", "words"), MAPS.values(), ids=MAPS.keys())
def test_maps_that_cannot_be(pictures, columns, name, words):
    path = write(pictures / name, [{"path": "a.jpg", "label": "live"}])
    with pytest.raises(UsageError, match=words):
        list_source(path, {}, columns=columns)


def test_a_map_is_for_lists_and_goes_into_the_record(pictures):
    with pytest.raises(UsageError, match="--map is for the columns of a list"):
        open_input(pictures, Reading(map="path=a"))
    assert Reading(map=MAP).settings() == {"map": MAP}
    assert parse_columns(None) == {}


def test_damaged_tables_are_refused(pictures):
    (pictures / "list.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(SourceError, match=r"list.parquet cannot be read as Parquet"):
        list_source(pictures / "list.parquet", {})
    (pictures / "list.jsonl").write_bytes(b'{"path": "g\xfcnther.jpg"}\n')
    with pytest.raises(SourceError, match=r"list.jsonl cannot be read as UTF-8 JSON lines"):
        list_source(pictures / "list.jsonl", {})


def test_what_the_list_says_decides_whether_a_stopped_run_is_gone_on_with(pictures):
    def stamp(label):
        path = write(pictures / "list.csv", [{"path": "a.jpg", "label": label}])
        return list_source(path, {}).items[0].stamp()

    assert stamp("live") == stamp("live") != stamp("spoof")


def test_the_verb_takes_a_map(pictures):
    write(pictures / "list.tsv", [{"filename": "a.jpg", "class": "1"}, {"filename": "b.jpg", "class": "x"}])
    arguments = ["ingest", "list", str(pictures / "list.tsv"), "-o", str(pictures / "out")]
    arguments += ["--map", "path=filename,label=class", "--label-map", "live=1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3, done.output
    dataset = Dataset.open(pictures / "out")
    assert [(sample.source.file, sample.label) for sample in dataset] == [("a.jpg", "live")]
    assert dataset.record.parameters["map"] == "path=filename,label=class"
    assert [failure.place for failure in dataset.record.failures] == ["list.tsv:3"]
