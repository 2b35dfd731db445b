"""Bad input to the expression readers: each thing is named with file and line, and the rest is read."""

from __future__ import annotations

import re

import pytest
from conftest import jpeg
from planted_trees import PICTURE, plant, read
from test_readers_expression import (
    AFF_WILD2,
    AFFECTNET_CSV,
    AFFECTNET_NPY,
    BP4D,
    CK_PLUS,
    CSV_HEAD,
    DISFA,
    EMOTIONET,
    FER2013,
    FERPLUS,
    FLAT,
    RAF_AU,
    RAF_DB,
    RAMP,
    VOTES_HEAD,
    npy,
)

from facedata.datasets.engine import Options
from facedata.datasets.errors import SourceError
from facedata.datasets.ingest import ingest_reader
from facedata.datasets.inputs import Reading
from facedata.datasets.validate import validate

FRAMES = {"images": "images"}
OCC, INT = "AUCoding/AU_OCC/F001_T1.csv", "AUCoding/AU_INT/AU06/F001_T1_AU06.csv"
AU_TASK = "annotations/AU_Detection_Challenge/Train_Set/v1.txt"
EXPR_TASK = "annotations/EXPR_Classification_Challenge/Train_Set/v1.txt"
EXPR_HEAD = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n"
VA_TASK = "annotations/VA_Estimation_Challenge/Train_Set/v1.txt"
RAF_DB_LIST = "basic/EmoLabel/list_patition_label.txt"
E_LIST = "EmotioNet_FACS_aws_2020_24600.csv"
AU12 = "ActionUnit_Labels/SN001/SN001_au12.txt"
FACS = "FACS/S005/001/S005_001_00000003_facs.txt"
EMOTION = "Emotion/S005/001/S005_001_00000003_emotion.txt"

# Reader, tree, what is changed in it, choices, the failures' words, and how many entries are left.
BAD = {
    "a code outside the table": (
        "raf-db",
        RAF_DB,
        {RAF_DB_LIST: "train_00001.jpg 8\ntest_0002.jpg 7\n"},
        {},
        [rf"^{RAF_DB_LIST}:1: expression '8' is not in 1-7"],
        1,
    ),
    "a line of three words, and one that climbs out": (
        "raf-db",
        RAF_DB,
        {RAF_DB_LIST: "train_00001.jpg 5 6\n../train_00001.jpg 5\ntest_0002.jpg 7\n"},
        {},
        [r":1: 'train_00001.jpg 5 6' is not of the form", r":2: '../train_00001.jpg 5' is not of the form"],
        1,
    ),
    "no unit": (
        "raf-au",
        RAF_AU,
        {"RAFAU_label.txt": "0001.jpg 1+B12\n0002.jpg\n0003.jpg 4\n"},
        {},
        [r"^RAFAU_label.txt:1: 'B12' is no unit", r"^RAFAU_label.txt:2: '0002.jpg' is not of the form"],
        1,
    ),
    "affectnet: ragged, code, range, landmarks": (
        "affectnet",
        AFFECTNET_CSV,
        {
            "training.csv": f"{CSV_HEAD}1/a.jpg,1,2\n1/a.jpg,,,,,,11,0,0\n1/a.jpg,,,,,,1,1.5,0\n"
            "1/a.jpg,,,,,1;2;3,1,0,0\n2/b.jpg,,,,,,1,0,0\n"
        },
        {},
        [
            r"^training.csv:2: 3 columns where 9 are expected",
            r"^training.csv:3: expression '11' is not in 0-10",
            r"^training.csv:4: valence '1.5' is not in \[-1, 1\], nor -2",
            r"^training.csv:5: 3 numbers where the 136",
        ],
        2,
    ),
    "affectnet: annotation files": (
        "affectnet",
        AFFECTNET_NPY,
        {
            "train_set/annotations/12_lnd.npy": b"\x93NUMPY cut",
            "val_set/annotations/7_aro.npy": npy([1.0, 2.0]),
            "val_set/annotations/8_exp.npy": npy("1"),
        },
        {},
        [
            r"^train_set/annotations/12_exp.npy: 12_lnd.npy cannot be read",
            r"^val_set/annotations/7_exp.npy: 7_aro.npy holds 2 values where one is expected",
            r"^val_set/annotations/8_exp.npy: 8_val.npy cannot be read",
        ],
        0,
    ),
    "fer2013: code, set, pixels, columns": (
        "fer2013",
        FER2013,
        {
            "fer2013.csv": "\ufeffemotion, pixels,Usage\r\n7,1 2 3,Training\r\n"
            f"9,{FLAT},Training\r\n1,{FLAT},Test\r\n1,{FLAT} 256,Training\r\n"
            f"1,{FLAT[:-1]}300,Training\r\n1,{FLAT}\r\n1,{FLAT},Training\r\n"
        },
        {},
        [
            r"^fer2013.csv:2: 3 pixels where 48 x 48 = 2304 are expected",
            r"^fer2013.csv:3: emotion '9' is not in 0-6",
            r"^fer2013.csv:4: Usage 'Test' is not one of Training",
            r"^fer2013.csv:5: 2305 pixels where",
            r"^fer2013.csv:6: a pixel is no whole number of 0-255",
            r"^fer2013.csv:7: 2 columns where 3 are expected",
        ],
        1,
    ),
    "ferplus: votes": (
        "ferplus",
        FERPLUS,
        {
            "fer2013new.csv": f"{VOTES_HEAD}Training,,11,0,0,0,0,0,0,0,0,0\nPublicTest,1,0\n"
            "PrivateTest,,10,0,0,0,0,0,0,0,0,0\n"
        },
        {},
        [r"fer2013new.csv:3: 3 columns", r"fer2013new.csv:2 and fer2013.csv:2: neutral '11' is no number"],
        1,
    ),
    "ck+: a unit's line cannot be read, so the frame has no units": (
        "ck-plus",
        CK_PLUS,
        {FACS: "9.0e+00 7.0e+00\n", EMOTION: "8\n"},
        {},
        [rf"^{EMOTION}:1: '8' is no emotion of 0-7", rf"^{FACS}:1: .* is no unit with an intensity of 0-5"],
        2,
    ),
    "ck+: no picture of the peak": (
        "ck-plus",
        {place: text for place, text in CK_PLUS.items() if "00000014.png" not in place},
        {},
        {},
        [r"^S010_002_00000014: it is coded, and cohn-kanade-images/S010/002 has no picture of it"],
        1,
    ),
    "disfa: values, doubled and missing frames, a file": (
        "disfa",
        {place: text for place, text in DISFA.items() if "_au26" not in place},
        {
            AU12: "1,0\n2,9\n1,5\n3,1\n4,1\n6,1\nx,1\n0,1\n",
            "images/SN001/02.jpg": PICTURE,
        },
        FRAMES,
        [
            rf"^{AU12}:2: '2,9' is no frame",
            rf"^{AU12}:3: frame 1 is coded at {AU12}:1 already",
            rf"^{AU12}:7: 'x,1' is no frame",
            rf"^{AU12}:8: '0,1' is no frame",
            r"^ActionUnit_Labels/SN001/SN001_au26.txt: no such file; the unit is not coded for this person",
            r"^images/SN001/2.png: frame 2 is in images/SN001/02.jpg already",
            rf"^{AU12}:4-5: images/SN001 has no picture of frames 3-4 \(2\)",
            rf"^{AU12}:6: images/SN001 has no picture of frame 6;",
        ],
        2,
    ),
    "bp4d: ragged, values, doubled and missing frames": (
        "bp4d",
        BP4D,
        {
            OCC: "0,1,6\n2440,0,1\n2440,1,1\n2441,2,0\n2442,0\n2443,0,1\n",
            INT: "frame,AU06\n2440,2\n2440,3\n2441,-1\n",
            "AUCoding/AU_OCC/copy.csv": "0,1\n",
        },
        {},
        [
            rf"^{OCC}:3: frame 2440 is coded at {OCC}:2 already",
            rf"^{OCC}:4: AU 1 has a code that is not 0, 1 or 9",
            rf"^{OCC}:5: 2 columns where 3 are expected",
            rf"^{INT}:3: frame 2440 is graded at {INT}:2 already",
            rf"^{INT}:4: '2441,-1' is no frame with an intensity",
            rf"^{OCC}:6: images/F001/T1 has no picture of frame 2443",
            r"^AUCoding/AU_OCC/copy.csv: not of the form F001_T1.csv",
        ],
        1,
    ),
    "aff-wild2: values, an empty line, a missing crop": (
        "aff-wild2",
        {place: text for place, text in AFF_WILD2.items() if "00003.jpg" not in place},
        {
            AU_TASK: "AU1,AU2,AU25\n1,0\n2,0,0\n0,0,1\n",
            EXPR_TASK: f"{EXPR_HEAD}4\n\n8\n\n\n",
            VA_TASK: "valence,arousal\n0.25,-0.5\n-2,0\n0.5\n",
        },
        {},
        [
            rf"^{AU_TASK}:2: 2 columns where the header has 3",
            rf"^{AU_TASK}:3: '2' is not 0, 1 or -1",
            rf"^{EXPR_TASK}:3: the line is empty where frame 2 should be",
            rf"^{EXPR_TASK}:4: '8' is no expression of 0-7, nor -1",
            rf"^{VA_TASK}:3: '-2,0' is no valence and arousal",
            rf"^{VA_TASK}:4: '0.5' is no valence and arousal",
            rf"^{AU_TASK}:4: cropped_aligned/v1 has no picture of frame 3",
        ],
        1,
    ),
    "aff-wild2: no header": (
        "aff-wild2",
        AFF_WILD2,
        {EXPR_TASK: "4\n-1\n7\n", AU_TASK: "\nAU1,AU2\n1,1\n"},
        {},
        [rf"^{AU_TASK}:2: 'AU1,AU2' is no first line", rf"^{EXPR_TASK}:1: '4' is no first line"],
        2,
    ),
    "emotionet: codes, addresses, columns": (
        "emotionet",
        EMOTIONET,
        {
            E_LIST: "URL,'AU 1'\nhttp://x.org/a.jpg,5\nhttp://x.org/,1\nhttp://x.org/a.jpg\nhttp://x.org/b.jpg,\n"
        },
        {},
        [
            rf"^{E_LIST}:2: AU 1 '5' is not 0, 1 or 999",
            rf"^{E_LIST}:3: 'http://x.org/' names no picture",
            rf"^{E_LIST}:4: 1 columns where 2 are expected",
            rf"^{E_LIST}:5: AU 1 '' is not 0, 1 or 999",
        ],
        0,
    ),
}


@pytest.mark.parametrize(
    ("name", "tree", "changed", "choices", "reasons", "left"), BAD.values(), ids=BAD.keys()
)
def test_each_is_named_and_the_rest_is_read(tmp_path, name, tree, changed, choices, reasons, left):
    said = read(name, plant(tmp_path, {**tree, **changed}), **choices)
    unmatched = list(said.reasons)
    for words in reasons:
        found = [reason for reason in unmatched if re.search(words, reason)]
        assert len(found) == 1, (words, said.reasons)
        unmatched.remove(found[0])
    assert unmatched == []
    frames = [entry.frames for entry in said.entries.values()]
    assert sum(1 if known is None else len(known) for known in frames) == left


def test_a_frame_whose_line_is_bad_is_not_coded_for_that_unit_alone(tmp_path):
    said = read("disfa", plant(tmp_path, {**DISFA, AU12: "1,0\n2,9\n"}), **FRAMES)
    values = said.entries["images/SN001/2.png"].values
    assert 12 not in values["au_domain"]
    assert values["au"] == {26: 1.0}


def test_ck_plus_units_of_a_bad_file_do_not_pass_for_absent(tmp_path):
    said = read("ck-plus", plant(tmp_path, {**CK_PLUS, FACS: "9.0e+00 7.0e+00\n"}))
    values = said.entries["cohn-kanade-images/S005/001/S005_001_00000003.png"].values
    assert "au" not in values
    assert "au_domain" not in values
    assert values["expression"] == "disgust"


UNBC = {
    "by content": {FACS: "   0.0000000e+00\n"},
    "by name": {"FACS/042-ll042/ll042t1aaaff/ll042t1aaaff001_facs.txt": "   2.0000000e+00\n"},
}


@pytest.mark.parametrize("changed", UNBC.values(), ids=UNBC.keys())
def test_unbc_pain_scores_are_refused(tmp_path, changed):
    with pytest.raises(SourceError, match=r"_facs.txt.*UNBC-McMaster.*PSPI"):
        read("ck-plus", plant(tmp_path, {**CK_PLUS, **changed}))


OUT_OF_STEP = {
    "number of rows": (f"{VOTES_HEAD}Training,,10,0,0,0,0,0,0,0,0,0\n", r"has 1 rows and fer2013.csv has 3"),
    "name of another row": (
        FERPLUS["fer2013new.csv"].replace("fer0000001", "fer0000002"),
        r"fer2013new.csv:3 is not about row 1 of fer2013.csv",
    ),
    "set of another row": (
        FERPLUS["fer2013new.csv"].replace("PublicTest", "Training"),
        r"fer2013new.csv:3 is not about row 1 of fer2013.csv",
    ),
}


@pytest.mark.parametrize(("votes", "words"), OUT_OF_STEP.values(), ids=OUT_OF_STEP.keys())
def test_votes_of_another_file_are_refused(tmp_path, votes, words):
    """Joined out of step, every label would be wrong and none would look it."""
    with pytest.raises(SourceError, match=words):
        read("ferplus", plant(tmp_path, {**FERPLUS, "fer2013new.csv": votes}))


def test_lists_whose_pictures_are_missing_doubled_or_outside(tmp_path):
    """What is checked where entries become items: the message names the list's line."""
    text = CSV_HEAD + "".join(
        f"{place},,,,,,1,0,0\n" for place in ("1/a.jpg", "2/gone.jpg", "1/a.jpg", "../../x.jpg")
    )
    root = plant(tmp_path / "tree", {**AFFECTNET_CSV, "training.csv": text})
    (tmp_path / "x.jpg").write_bytes(jpeg(1))
    result = ingest_reader("affectnet", root, tmp_path / "out", Reading(), Options())
    reasons = [failure.reason for failure in result.record.failures]
    assert result.record.counts.rows == 2
    for words in (
        r"training.csv:3: .*2/gone.jpg: no such file",
        r"training.csv:4: .*1/a.jpg is named already at training.csv:2",
        r"training.csv:5: .*x.jpg",
    ):
        assert sum(bool(re.search(words, reason)) for reason in reasons) == 1, reasons
    assert len(reasons) == 3
    assert validate(tmp_path / "out").findings == []


def test_a_row_of_pixels_that_changes_after_listing_is_named(tmp_path):
    from facedata.datasets.errors import PictureError
    from facedata.datasets.pixel_rows import PixelRows

    (tmp_path / "a.csv").write_text(f"pixels\n{RAMP}\n1 2 3\n")
    rows = PixelRows(tmp_path / "a.csv", "a.csv", 10**6)
    assert list(rows.numbers()) == [0, 1]
    assert [number for number, _ in rows.read(lambda number: number == 0, 0)] == [0]
    with pytest.raises(PictureError, match=r"a.csv:3: 3 pixels"):
        list(rows.read(lambda number: True, None))
