"""Detectors' outputs on a dataset: what is kept, to which row it goes, and what is named."""

from __future__ import annotations

import re

import pytest
from conftest import jpeg
from planted_trees import plant, read
from reader_trees import video
from test_readers_expression import DISFA
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.detections.base import named_runs
from facedata.datasets.detections.join import join
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.ingest import ingest_reader
from facedata.datasets.inputs import Reading
from facedata.datasets.lists import list_source
from facedata.datasets.task import Ingest
from facedata.datasets.validate import validate

MARKS = ", ".join([f"x_{n}" for n in range(68)] + [f"y_{n}" for n in range(68)])
POINTS = ", ".join(str(float(n)) for n in range(136))
HEAD = "frame, face_id, timestamp, confidence, success"
HEAD += f", pose_Tx, pose_Ty, pose_Tz, pose_Rx, pose_Ry, pose_Rz, {MARKS}"
HEAD += ", AU01_r, AU12_r, AU12_c, AU28_c"
FEAT = "FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,Pitch,Roll,Yaw,AU01,AU12,"
FEAT += "anger,disgust,fear,happiness,sadness,surprise,neutral,input,frame\n"


def line(frame, face=0, confidence=0.98, success=1, au="0.00, 2.50, 1, 0"):
    return f"{frame}, {face}, 0.0, {confidence}, {success}, 1, 2, 3.5, 0.1, -0.2, 0, {POINTS}, {au}"


def feat(place, frame=0, score="0.9", au="0.25,0.75"):
    return f"1,2,10,12.5,{score},0.5,-1,2,{au},0,0,0,0.5,0,0,0.5,{place},{frame}\n"


@pytest.fixture
def pictures(tmp_path):
    """A dataset of three pictures, two of one name; the first has human codes and an attribute."""
    files = {f"{place}.jpg": jpeg(number) for number, place in enumerate(["x/a", "y/a", "b"])}
    plant(tmp_path / "in", files)
    rows = [
        '{"path": "x/a.jpg", "au": {"12": 1}, "au_domain": [12], "expression": "fear", "camera": "left"}',
        '{"path": "y/a.jpg"}',
        '{"path": "b.jpg"}',
    ]
    (tmp_path / "in" / "list.jsonl").write_text("\n".join(rows))
    source = list_source(tmp_path / "in" / "list.jsonl", {})
    run("ingest", Ingest(), source, tmp_path / "set", None, Options())
    return tmp_path


@pytest.fixture
def film(tmp_path):
    """DISFA's person SN001 as a video of two coded frames."""
    root = plant(tmp_path / "tree", {place: text for place, text in DISFA.items() if "images" not in place})
    video(root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi")
    result = ingest_reader("disfa", root, tmp_path / "set", Reading(), Options())
    assert result.record.failures == []
    return tmp_path


def rows(path):
    return {(sample.source.file, sample.source.frame): sample for sample in Dataset.open(path)}


def joined(root, kind, files, **options):
    plant(root / "found", files)
    result = join(root / "set", root / "found", root / "out", kind, Options(overwrite=True), **options)
    assert validate(root / "out").findings == []
    return result.record, rows(root / "out")


def test_openface_on_a_video_leaves_the_human_codes_alone(film):
    text = "\n".join([HEAD, line(1), line(2, au="5.00, 0.25, 0, 1"), ""])
    record, found = joined(film, "openface", {"LeftVideoSN001_comp.csv": text}, tool_version="2.2.0")
    before = rows(film / "set")
    place = "Videos_LeftCamera/LeftVideoSN001_comp.avi"
    first, second = found[place, 0], found[place, 1]
    marks = [[float(n), float(n + 68)] for n in range(68)]
    assert first.attributes["detected"]["openface"] == {
        "origin": "detector",
        "tool": "openface",
        "version": "2.2.0",
        "where": "LeftVideoSN001_comp.csv:2",
        "confidence": 0.98,
        "au": {"1": 0, "12": 2.5},
        "au_present": [12],
        "au_domain": [12, 28],
        "pose": {"Tx": 1, "Ty": 2, "Tz": 3.5, "Rx": 0.1, "Ry": -0.2, "Rz": 0},
        "landmarks": marks,
    }
    assert second.attributes["detected"]["openface"]["au"] == {"1": 5, "12": 0.25}
    for key, sample in found.items():
        assert sample.replace(attributes=None, image="") == before[key].replace(attributes=None, image="")
    assert second.au == {12: 3.0, 26: 1.0}
    assert record.verb == "join"
    assert [parent.name for parent in record.parents] == ["set"]
    assert record.notes == ["openface: joined onto 2 of 2 rows"]
    assert record.version != Dataset.open(film / "set").version


def test_openface_of_pictures_goes_by_name_and_folder(pictures):
    head = "face, confidence, AU12_r"
    files = {"x/a.csv": f"{head}\n0, 0.5, 1.5\n", "b.csv": f"{head}\n0, 0.25, 2\n1, 0.75, 3\n"}
    record, found = joined(pictures, "openface", files)
    a, other, b = found["x/a.jpg", None], found["y/a.jpg", None], found["b.jpg", None]
    assert a.attributes["camera"] == "left"
    assert a.attributes["detected"]["openface"]["au"] == {"12": 1.5}
    assert (a.au, a.au_domain, a.expression) == ({12: 1.0}, (12,), "fear")
    assert other.attributes is None
    assert b.attributes["detected"]["openface"]["au"] == {"12": 3}, "the face of the higher confidence"
    assert b.au is None, "a detector's grades are no human codes"
    assert record.notes == [
        "openface: joined onto 2 of 3 rows",
        "openface: faces passed over for a more certain one: 1 (b.csv:2)",
    ]


def test_pictures_are_known_by_their_names_in_the_dataset_too(pictures):
    image = rows(pictures / "set")["y/a.jpg", None].image.rpartition("/")[2].rpartition(".")[0]
    _, found = joined(pictures, "openface", {f"{image}.csv": "face, confidence\n0, 0.5\n"})
    assert [key for key, sample in found.items() if "detected" in (sample.attributes or {})] == [
        ("y/a.jpg", None)
    ]


def test_py_feat_scores_are_no_intensities(pictures):
    text = FEAT + feat("/home/me/in/x/a.jpg") + feat("/home/me/in/b.jpg", 1) + feat("/home/me/in/y/a.jpg", 2)
    _, found = joined(pictures, "py-feat", {"fex.csv": text})
    assert found["x/a.jpg", None].attributes["detected"]["py-feat"] == {
        "origin": "detector",
        "tool": "py-feat",
        "where": "fex.csv:2",
        "confidence": 0.9,
        "box": [1, 2, 10, 12.5],
        "au_score": {"1": 0.25, "12": 0.75},
        "expression_score": {
            "anger": 0,
            "disgust": 0,
            "fear": 0,
            "happiness": 0.5,
            "sadness": 0,
            "surprise": 0,
            "neutral": 0.5,
        },
        "pose": {"pitch": 0.5, "roll": -1, "yaw": 2},
    }
    assert found["b.jpg", None].attributes["detected"]["py-feat"]["where"] == "fex.csv:3"
    assert found["x/a.jpg", None].expression == "fear"


def test_py_feat_frames_count_from_zero(film):
    text = FEAT + feat("/x/LeftVideoSN001_comp.avi", 1)
    _, found = joined(film, "py-feat", {"fex.csv": text})
    kept = {frame for (_, frame), sample in found.items() if "detected" in (sample.attributes or {})}
    assert kept == {1}


def test_two_tools_stand_side_by_side_and_none_is_replaced(pictures):
    joined(pictures, "openface", {"b.csv": "face, confidence\n0, 0.5\n"})
    (pictures / "out").rename(pictures / "first")
    (pictures / "set").rename(pictures / "raw")
    (pictures / "first").rename(pictures / "set")
    with pytest.raises(UsageError, match=r"has detections of 'openface' already; .*--as"):
        joined(pictures, "openface", {})
    _, found = joined(pictures, "openface", {}, name="openface-2")
    assert sorted(found["b.jpg", None].attributes["detected"]) == ["openface", "openface-2"]


BAD = {
    "openface lines": (
        "film",
        "openface",
        {
            "LeftVideoSN001_comp.csv": "\n".join(
                [
                    "\ufeff" + HEAD,
                    line(1),
                    line(1, au="1, 1, 1, 1"),  # the same frame and face again
                    line(2, success=0, confidence=0.02),
                    line(3, success=0, confidence=0.02),
                    line(9),
                    line(0),
                    "5, 0, 0.2",
                    line(4, au="9.00, 2.50, 1, 0"),
                    line(4, au="nan, 2.50, 1, 0"),
                ]
            )
            + "\r\n",
            "elsewhere.csv": "\n".join([HEAD, line(1)]),
        },
        [
            r"comp.csv:3: LeftVideoSN001_comp frame 0 is described at .*comp.csv:2 already",
            r"comp.csv:4-5: OpenFace found no face \(success 0\)",
            r"comp.csv:6: the dataset has no frame 8 of LeftVideoSN001_comp",
            r"comp.csv:7: frame 0 is not counted from 1",
            r"comp.csv:8: 3 columns where 151 are expected",
            r"comp.csv:9: AU intensity outside 0-5: \{'1': 9.0\}",
            r"comp.csv:10: AU01_r 'nan' is not a number",
            r"^elsewhere.csv:2: the dataset has no picture elsewhere",
        ],
        1,
    ),
    "names that may be two": (
        "pictures",
        "openface",
        {
            "a.csv": "face, confidence\n0, 0.5\n",
            "b.csv": "frame, confidence, success\n1, 0.5, 1\n2, 0.5, 1\n",
        },
        [r"^a.csv:2: a may be x/a, y/a; lay the output out", r"^b.csv:3: b is one picture in the dataset"],
        1,
    ),
    "py-feat lines": (
        "pictures",
        "py-feat",
        {
            "fex.csv": FEAT
            + feat("in/b.jpg")
            + feat("in/x/a.jpg", score="nan")
            + feat("in/y/a.jpg", au="0.5,")
            + feat("film.mp4", "one"),
        },
        [
            r"^fex.csv:3: py-feat found no face",
            r"^fex.csv:4: AU12 '' is not a number",
            r"^fex.csv:5: frame 'one' is not a number",
        ],
        1,
    ),
    "a video's line without a frame": (
        "film",
        "openface",
        {
            "LeftVideoSN001_comp.csv": "\n".join([HEAD, line(1)]),
            "x/LeftVideoSN001_comp.csv": "face, confidence\n0, 0.5\n",
        },
        [r"^x/LeftVideoSN001_comp.csv:2: x/LeftVideoSN001_comp is a video in the dataset"],
        1,
    ),
}


@pytest.mark.parametrize(("place", "kind", "files", "reasons", "count"), BAD.values(), ids=BAD.keys())
def test_each_line_that_cannot_be_joined_is_named(request, place, kind, files, reasons, count):
    root = request.getfixturevalue(place)
    record, found = joined(root, kind, files)
    said = [failure.reason for failure in record.failures]
    for words in reasons:
        assert sum(bool(re.search(words, reason)) for reason in said) == 1, (words, said)
    assert len(said) == len(reasons), said
    assert sum("detected" in (sample.attributes or {}) for sample in found.values()) == count
    assert len(found) == len(rows(root / "set")), "no row is lost"


REFUSED = {
    "no such file": (None, "openface", r"does not exist"),
    "no csv": ({"a.txt": "x"}, "openface", r"holds no CSV file of openface"),
    "another tool": ({"a.csv": FEAT + feat("b.jpg")}, "openface", r"a.csv:2: no output of OpenFace"),
    "the other": ({"a.csv": "face, confidence\n0, 1\n"}, "py-feat", r"no column FaceScore, input"),
    "nothing fits": ({"z.csv": "face, confidence\n0, 1\n"}, "openface", r"no line could be joined: z.csv:2"),
    "unknown tool": ({"a.csv": "x"}, "facet", r"--kind 'facet' is not one of openface, py-feat"),
}


@pytest.mark.parametrize(("files", "kind", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_joined_at_all(pictures, files, kind, words):
    with pytest.raises((SourceError, UsageError), match=words):
        join(pictures / "set", plant(pictures / "f", files or {}), pictures / "out", kind, Options())
    assert not (pictures / "out").exists()


def test_the_verb(pictures):
    plant(pictures, {"b.csv": "face, confidence\n0, 1\n"})
    arguments = ["join", str(pictures / "set"), str(pictures / "b.csv"), "--kind", "openface", "--as", "of"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(pictures / "out"), "--engine", "serial"])
    assert done.exit_code == 0, done.output
    assert rows(pictures / "out")["b.jpg", None].attributes["detected"]["of"]["tool"] == "openface"


def test_runs_of_lines_are_named_once():
    assert list(named_runs([])) == []
    assert list(named_runs(["a:9"])) == ["a:9"]
    assert list(named_runs(["a:1", "a:2", "b:3", "b:4", "b:6"])) == ["a:1-2", "b:3-4", "b:6"]


def test_the_fixture_is_coded_by_people(film):
    """The join is shown to leave codes alone only if there are some."""
    assert read("disfa", film / "tree").entries
    assert {frame: sample.au for (_, frame), sample in rows(film / "set").items()} == {
        0: {},
        1: {12: 3, 26: 1},
    }
