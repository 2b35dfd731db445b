"""Readers of expression and action unit datasets: what they say of small trees of exactly those shapes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from planted_trees import PICTURE, plant, read

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.ingest import ingest_reader
from facedata.datasets.inputs import Reading
from facedata.datasets.readers.expressions import EXPRESSIONS
from facedata.datasets.validate import validate


def npy(value, **kind):
    data = io.BytesIO()
    np.save(data, np.array(value, **kind))
    return data.getvalue()


MARKS = [float(number) for number in range(136)]
PAIRS = tuple(zip(MARKS[::2], MARKS[1::2], strict=True))
CSV_HEAD = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
)
RAMP = " ".join(str(number % 256) for number in range(48 * 48))
BACK = " ".join(reversed(RAMP.split()))
FLAT = " ".join(["7"] * 48 * 48)
VOTES_HEAD = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"

RAF_DB = {
    "basic/EmoLabel/list_patition_label.txt": "\ufefftrain_00001.jpg 5\r\n test_0002.jpg  7 \r\n\r\n",
    "basic/Image/aligned/train_00001_aligned.jpg": PICTURE,
    "basic/Image/aligned/test_0002_aligned.jpg": PICTURE,
    "basic/Image/original/train_00001.jpg": PICTURE,
}
RAF_AU = {
    "RAFAU_label.txt": "0001.jpg 1+2+L12  \n0002.jpg null  \n0003.jpg L12+R12+25\n",
    **{f"aligned/000{number}_aligned.jpg": PICTURE for number in (1, 2, 3)},
}
AFFECTNET_CSV = {
    "training.csv": f"{CSV_HEAD}1/a.jpg,3,4,20,16,{';'.join(map(str, MARKS))},1,0.5,-0.25\n"
    "2/b.jpg,0,0,0,0,NULL,9,-2,-2\n",
    "validation.csv": f"{CSV_HEAD}1/c.jpg,1,2,10,12,,7,-0.1,0\n",
    **{f"Manually_Annotated_Images/{place}.jpg": PICTURE for place in ("1/a", "2/b", "1/c")},
}
AFFECTNET_NPY = {
    "train_set/images/12.jpg": PICTURE,
    "train_set/annotations/12_exp.npy": npy("4"),
    "train_set/annotations/12_val.npy": npy("-0.5"),
    "train_set/annotations/12_aro.npy": npy("0.75"),
    "train_set/annotations/12_lnd.npy": npy(MARKS),
    "val_set/images/7.jpg": PICTURE,
    "val_set/annotations/7_exp.npy": npy(0),
    "val_set/annotations/7_val.npy": npy(0.0),
    "val_set/annotations/7_aro.npy": npy(-2.0),
}
FER2013 = {
    "fer2013.csv": f"emotion,pixels,Usage\n0,{RAMP},Training\n3,{FLAT},PublicTest\n6,{BACK},PrivateTest\n",
}
FERPLUS = {
    **FER2013,
    "fer2013new.csv": VOTES_HEAD
    + "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\n"  # 4 of 9 once the single vote is dropped
    + "PublicTest,fer0000001.png,0,8,1,0,0,0,0,1,0,0\n"
    + "PrivateTest,,0,0,0,0,0,0,0,0,1,9\n",
}
CK_PLUS = {
    **{f"cohn-kanade-images/S005/001/S005_001_0000000{n}.png": PICTURE for n in (1, 2, 3)},
    "FACS/S005/001/S005_001_00000003_facs.txt": "   9.0000000e+00   4.0000000e+00\n   1.7e+01   0.0e+00\n",
    "Emotion/S005/001/S005_001_00000003_emotion.txt": "   3.0000000e+00\n",
    "cohn-kanade-images/S010/002/S010_002_00000014.png": PICTURE,
    "FACS/S010/002/S010_002_00000014_facs.txt": "12 2\n",
}
DISFA = {
    **{
        f"ActionUnit_Labels/SN001/SN001_au{unit}.txt": "1,0\n2,0\n"
        for unit in (1, 2, 4, 5, 6, 9, 15, 17, 20, 25)
    },
    "ActionUnit_Labels/SN001/SN001_au12.txt": "1,0\n2,3\n",
    "ActionUnit_Labels/SN001/SN001_au26.txt": "2,1\n",
    "images/SN001/00001.jpg": PICTURE,
    "images/SN001/2.png": PICTURE,
}
BP4D = {
    "AUCoding/AU_OCC/F001_T1.csv": "0,1,2,6,12,39\n2440,1,0,1,1,0\n2441,0,9,1,0,1\n",
    "AUCoding/AU_INT/AU06/F001_T1_AU06.csv": "2440,3\n2441,9\n",
    "AUCoding/AU_INT/AU12/F001_T1_AU12.csv": "2440,0\n2441,0\n",
    "images/F001/T1/2440.jpg": PICTURE,
    "images/F001/T1/02441.jpg": PICTURE,
}
AFF_WILD2 = {
    "annotations/AU_Detection_Challenge/Train_Set/v1.txt": "AU1,AU2,AU25\n1,0,-1\n-1,-1,-1\n0,0,1\n",
    "annotations/EXPR_Classification_Challenge/Train_Set/v1.txt": (
        "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n4\n-1\n7\n"
    ),
    "annotations/VA_Estimation_Challenge/Train_Set/v1.txt": "valence,arousal\n0.25,-0.5\n-5,-5\n-5,0.125\n",
    **{f"cropped_aligned/v1/0000{number}.jpg": PICTURE for number in (1, 2, 3)},
}
EMOTIONET = {
    "EmotioNet_FACS_aws_2020_24600.csv": "URL,'URL orig'  ,\" 'AU 1'\",'AU 2', \"'AU 12'\"\n"
    "'http://x.org/a/N_0000000001_00001.jpg','http://y.org/1.jpg',1,0,999\n"
    "http://x.org/a/N_0000000001_00002.jpg,o,0 ,999,1\n",
    "imgs/N_0000000001_00001.jpg": PICTURE,
    "imgs/N_0000000001/N_0000000001_00002.jpg": PICTURE,
}

DISFA_12 = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
DISFA_11 = tuple(unit for unit in DISFA_12 if unit != 26)

# Reader, tree, choices, and every field of every entry as read by hand.
CASES = {
    "raf-db": (
        "raf-db",
        RAF_DB,
        {},
        {
            "basic/Image/aligned/train_00001_aligned.jpg": {
                "expression": "sadness",
                "split": "train",
                "domain": "raf-db",
            },
            "basic/Image/aligned/test_0002_aligned.jpg": {
                "expression": "neutral",
                "split": "test",
                "domain": "raf-db",
            },
        },
    ),
    "raf-au": (
        "raf-au",
        RAF_AU,
        {},
        {
            "aligned/0001_aligned.jpg": {
                "domain": "raf-au",
                "au": {1: None, 2: None, 12: None},
                "au_domain": (1, 2, 12, 25),
                "attributes": {"au_side": {"12": "left"}},
            },
            "aligned/0002_aligned.jpg": {"domain": "raf-au"},
            "aligned/0003_aligned.jpg": {
                "domain": "raf-au",
                "au": {12: None, 25: None},
                "au_domain": (1, 2, 12, 25),
                "attributes": {"au_side": {"12": "both"}},
            },
        },
    ),
    "raf-au, null is absent": (
        "raf-au",
        RAF_AU,
        {"null": "absent"},
        {
            "aligned/0001_aligned.jpg": {
                "domain": "raf-au",
                "au": {1: None, 2: None, 12: None},
                "au_domain": (1, 2, 12, 25),
                "attributes": {"au_side": {"12": "left"}},
            },
            "aligned/0002_aligned.jpg": {"domain": "raf-au", "au": {}, "au_domain": (1, 2, 12, 25)},
            "aligned/0003_aligned.jpg": {
                "domain": "raf-au",
                "au": {12: None, 25: None},
                "au_domain": (1, 2, 12, 25),
                "attributes": {"au_side": {"12": "both"}},
            },
        },
    ),
    "affectnet csv": (
        "affectnet",
        AFFECTNET_CSV,
        {},
        {
            "Manually_Annotated_Images/1/a.jpg": {
                "expression": "happiness",
                "valence": 0.5,
                "arousal": -0.25,
                "box": (3, 4, 20, 16),
                "landmarks": PAIRS,
                "split": "train",
                "domain": "affectnet",
            },
            "Manually_Annotated_Images/2/b.jpg": {
                "attributes": {"annotation": "uncertain"},
                "split": "train",
                "domain": "affectnet",
            },
            "Manually_Annotated_Images/1/c.jpg": {
                "expression": "contempt",
                "valence": -0.1,
                "arousal": 0,
                "box": (1, 2, 10, 12),
                "split": "val",
                "domain": "affectnet",
            },
        },
    ),
    "affectnet npy": (
        "affectnet",
        AFFECTNET_NPY,
        {},
        {
            "train_set/images/12.jpg": {
                "expression": "fear",
                "valence": -0.5,
                "arousal": 0.75,
                "landmarks": PAIRS,
                "split": "train",
                "domain": "affectnet",
            },
            "val_set/images/7.jpg": {
                "expression": "neutral",
                "valence": 0,
                "split": "val",
                "domain": "affectnet",
            },
        },
    ),
    "ck+": (
        "ck-plus",
        CK_PLUS,
        {},
        {
            "cohn-kanade-images/S005/001/S005_001_00000003.png": {
                "subject": "ck-plus/S005",
                "domain": "ck-plus",
                "expression": "disgust",
                "au": {9: 4.0, 17: None},
                "au_domain": (9, 12, 17),
                "attributes": {"sequence": "S005_001", "frame": 3},
            },
            "cohn-kanade-images/S010/002/S010_002_00000014.png": {
                "subject": "ck-plus/S010",
                "domain": "ck-plus",
                "au": {12: 2.0},
                "au_domain": (9, 12, 17),
                "attributes": {"sequence": "S010_002", "frame": 14},
            },
        },
    ),
    "disfa frames": (
        "disfa",
        DISFA,
        {"images": "images"},
        {
            "images/SN001/00001.jpg": {
                "subject": "disfa/SN001",
                "domain": "disfa",
                "au": {},
                "au_domain": DISFA_11,
                "attributes": {"sequence": "SN001", "frame": 1},
            },
            "images/SN001/2.png": {
                "subject": "disfa/SN001",
                "domain": "disfa",
                "au": {12: 3.0, 26: 1.0},
                "au_domain": DISFA_12,
                "attributes": {"sequence": "SN001", "frame": 2},
            },
        },
    ),
    "bp4d": (
        "bp4d",
        BP4D,
        {},
        {
            "images/F001/T1/2440.jpg": {
                "subject": "bp4d/F001",
                "domain": "bp4d",
                "au": {1: None, 6: 3.0, 12: None},  # 12: AU_INT says 0, AU_OCC present
                "au_domain": (1, 2, 6, 12),
                "attributes": {"sequence": "F001_T1", "frame": 2440, "task": "T1"},
            },
            "images/F001/T1/02441.jpg": {
                "subject": "bp4d/F001",
                "domain": "bp4d",
                "au": {6: None},  # 6: AU_INT says unknown
                "au_domain": (1, 6, 12),  # 2: AU_OCC says unknown
                "attributes": {"sequence": "F001_T1", "frame": 2441, "task": "T1"},
            },
        },
    ),
    "aff-wild2": (
        "aff-wild2",
        AFF_WILD2,
        {},
        {
            "cropped_aligned/v1/00001.jpg": {
                "subject": "aff-wild2/v1",
                "split": "train",
                "domain": "aff-wild2",
                "au": {1: None},
                "au_domain": (1, 2),
                "expression": "happiness",
                "valence": 0.25,
                "arousal": -0.5,
                "attributes": {"sequence": "v1", "frame": 1},
            },
            "cropped_aligned/v1/00003.jpg": {
                "subject": "aff-wild2/v1",
                "split": "train",
                "domain": "aff-wild2",
                "au": {25: None},
                "au_domain": (1, 2, 25),
                "expression": "other",
                "arousal": 0.125,
                "attributes": {"sequence": "v1", "frame": 3},
            },
        },
    ),
    "emotionet": (
        "emotionet",
        EMOTIONET,
        {},
        {
            "imgs/N_0000000001_00001.jpg": {
                "domain": "emotionet",
                "au": {1: None},
                "au_domain": (1, 2),
                "attributes": {"url": "http://x.org/a/N_0000000001_00001.jpg"},
            },
            "imgs/N_0000000001/N_0000000001_00002.jpg": {
                "domain": "emotionet",
                "au": {12: None},
                "au_domain": (1, 12),
                "attributes": {"url": "http://x.org/a/N_0000000001_00002.jpg"},
            },
        },
    ),
}


@pytest.mark.parametrize(("name", "files", "choices", "expected"), CASES.values(), ids=CASES.keys())
def test_every_field_of_an_entry(tmp_path, name, files, choices, expected):
    said = read(name, plant(tmp_path, files), **choices)
    assert {file: dict(entry.values) for file, entry in said.entries.items()} == expected
    assert said.failures == []


def test_ck_plus_frames_beside_the_peak(tmp_path):
    """The first frame is neutral by the protocol, which is not the same as being coded neutral."""
    root = plant(tmp_path, CK_PLUS)
    first = "cohn-kanade-images/S005/001/S005_001_00000001.png"
    found = read("ck-plus", root, frames="first").entries
    assert len(found) == 3  # the only frame of S010 is its peak
    assert found[first].values == {
        "subject": "ck-plus/S005",
        "domain": "ck-plus",
        "expression": "neutral",
        "attributes": {"sequence": "S005_001", "frame": 1, "annotation": "neutral by protocol"},
    }
    everything = read("ck-plus", root, frames="all").entries
    assert len(everything) == 4
    assert "expression" not in everything[first].values


def test_disfa_video_frames_count_from_zero(tmp_path):
    said = read("disfa", plant(tmp_path, DISFA), units="8")
    (entry,) = said.entries.values()
    assert entry.file == "Videos_LeftCamera/LeftVideoSN001_comp.avi"
    assert entry.values == {"subject": "disfa/SN001", "domain": "disfa"}
    assert entry.frames == {
        0: {
            "au": {},
            "au_domain": (1, 2, 4, 6, 9, 12, 25),
            "where": "ActionUnit_Labels/SN001/SN001_au1.txt:1",
        },
        1: {
            "au": {12: 3.0, 26: 1.0},
            "au_domain": (1, 2, 4, 6, 9, 12, 25, 26),
            "where": "ActionUnit_Labels/SN001/SN001_au1.txt:2",
        },
    }
    (entry,) = read("disfa", tmp_path, camera="right").entries.values()
    assert entry.file == "Video_RightCamera/RightVideoSN001_Comp.avi"


def test_fer2013_rows(tmp_path):
    (entry,) = read("fer2013", plant(tmp_path, FER2013)).entries.values()
    assert (entry.file, entry.values) == ("fer2013.csv", {"domain": "fer2013"})
    assert entry.frames == {
        0: {"expression": "anger", "split": "train", "where": "fer2013.csv:2"},
        1: {"expression": "happiness", "split": "val", "where": "fer2013.csv:3"},
        2: {"expression": "neutral", "split": "test", "where": "fer2013.csv:4"},
    }


FERPLUS_RULES = {
    "majority": [None, "happiness", None],
    "plurality": ["neutral", "happiness", None],
}


@pytest.mark.parametrize(("rule", "expected"), FERPLUS_RULES.items())
def test_ferplus_votes(tmp_path, rule, expected):
    (entry,) = read("ferplus", plant(tmp_path, FERPLUS), rule=rule).entries.values()
    assert [entry.frames[row].get("expression") for row in range(3)] == expected
    assert entry.frames[0]["attributes"] == {
        "votes": {"neutral": 4, "sadness": 1, "anger": 3, "disgust": 2},
        "fer2013_expression": "anger",
    }
    assert entry.frames[2]["attributes"] == {
        "votes": {"unknown": 1, "NF": 9},
        "annotation": "non-face",
        "fer2013_expression": "neutral",
    }


def test_ferplus_ties_have_no_winner(tmp_path):
    votes = VOTES_HEAD + "Training,,5,5,0,0,0,0,0,0,0,0\n" * 2 + "PrivateTest,,0,0,0,0,0,0,0,0,0,0\n"
    files = {"fer2013.csv": FER2013["fer2013.csv"].replace("PublicTest", "Training"), "fer2013new.csv": votes}
    for rule in FERPLUS_RULES:
        (entry,) = read("ferplus", plant(tmp_path, files), rule=rule).entries.values()
        assert [entry.frames[row].get("expression") for row in range(3)] == [None] * 3


TREES = {
    "raf-db": RAF_DB,
    "raf-au": RAF_AU,
    "affectnet": AFFECTNET_CSV,
    "fer2013": FER2013,
    "ferplus": FERPLUS,
    "ck-plus": CK_PLUS,
    "disfa": DISFA,
    "bp4d": BP4D,
    "aff-wild2": AFF_WILD2,
    "emotionet": EMOTIONET,
}
ROWS = {"fer2013": 3, "ferplus": 3, "raf-au": 3, "affectnet": 3}


@pytest.mark.parametrize(("name", "files"), TREES.items())
def test_ingest_makes_a_dataset_that_validates(tmp_path, name, files):
    choices = {"images": "images"} if name == "disfa" else {}
    root = plant(tmp_path / "tree", files)
    result = ingest_reader(name, root, tmp_path / "out", Reading(), Options(), choices=choices)
    assert result.record.failures == []
    assert result.record.counts.rows == ROWS.get(name, 2)
    assert result.record.counts.by_domain == {name: ROWS.get(name, 2)}
    assert result.record.notes
    assert validate(tmp_path / "out").findings == []
    for sample in Dataset.open(tmp_path / "out"):
        assert sample.label is None
        assert sample.expression is None or sample.expression in (*EXPRESSIONS, "other")
        assert sample.source.dataset == name


def test_fer2013_pixels_survive_to_the_last_grey_value(tmp_path):
    from facedata.datasets.pictures import read_picture
    from facedata.datasets.storage import read_reference

    root = plant(tmp_path / "tree", FER2013)
    ingest_reader("fer2013", root, tmp_path / "out", Reading(), Options())
    rows = {sample.source.frame: sample for sample in Dataset.open(tmp_path / "out")}
    assert set(rows) == {0, 1, 2}
    assert {rows[row].source.file for row in rows} == {"fer2013.csv"}
    pixels = read_picture(read_reference(tmp_path / "out", rows[0].image), "row 0").pixels
    ramp = np.arange(48 * 48).reshape(48, 48) % 256
    assert (pixels == ramp[:, :, None]).all()
    assert len({sample.content_hash for sample in rows.values()}) == 3
    assert len({sample.source.sha256 for sample in rows.values()}) == 3, "rows are no frames of one film"


def test_a_unit_that_is_present_and_not_graded_reaches_the_dataset(tmp_path):
    root = plant(tmp_path / "tree", CK_PLUS)
    ingest_reader("ck-plus", root, tmp_path / "out", Reading(), Options())
    found = {sample.subject: (sample.au, sample.au_domain) for sample in Dataset.open(tmp_path / "out")}
    assert found == {
        "ck-plus/S005": ({9: 4.0, 17: None}, (9, 12, 17)),
        "ck-plus/S010": ({12: 2.0}, (9, 12, 17)),
    }


@pytest.mark.parametrize("name", TREES)
def test_another_tree_is_refused_with_the_one_expected(tmp_path, name):
    plant(tmp_path, {"a.jpg": PICTURE})
    with pytest.raises(SourceError, match=r"(?s)has no|should hold one") as caught:
        read(name, tmp_path)
    assert "should be\n" in str(caught.value)


REFUSED = {
    "both releases": (
        "affectnet",
        {**AFFECTNET_CSV, **AFFECTNET_NPY},
        r"--choose release=csv or release=npy",
    ),
    "pictures elsewhere": (
        "affectnet",
        {"training.csv": CSV_HEAD},
        r"no folder Manually_Annotated_Images; .*--choose images=FOLDER",
    ),
    "splits of tasks": (
        "aff-wild2",
        {
            **AFF_WILD2,
            "annotations/AU_Detection_Challenge/Validation_Set/v2.txt": "AU1,AU2\n1,0\n",
            "annotations/VA_Estimation_Challenge/Train_Set/v2.txt": "valence,arousal\n0,0\n",
        },
        r"v2 is in different splits \(au val, va train\).*--choose task=au",
    ),
}


@pytest.mark.parametrize(("name", "files", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_ambiguous_names_the_flag(tmp_path, name, files, words):
    with pytest.raises(UsageError, match=words):
        read(name, plant(tmp_path, files))


def test_a_choice_settles_it(tmp_path):
    root = plant(tmp_path, {**AFFECTNET_CSV, **AFFECTNET_NPY})
    assert "train_set/images/12.jpg" in read("affectnet", root, release="npy").entries
    assert "Manually_Annotated_Images/1/a.jpg" in read("affectnet", root, release="csv").entries
    root = plant(tmp_path / "videos", REFUSED["splits of tasks"][1])
    assert {entry.values["split"] for entry in read("aff-wild2", root, task="expr").entries.values()} == {
        "train"
    }


def test_fer2013_pictures_that_repeat_across_its_sets_are_found(tmp_path):
    """The real file has such pictures; the note says so, and validate names them."""
    root = plant(tmp_path / "tree", {"fer2013.csv": FER2013["fer2013.csv"].replace(BACK, RAMP)})
    result = ingest_reader("fer2013", root, tmp_path / "out", Reading(), Options())
    assert any("facedata validate" in note for note in result.record.notes)
    assert [finding.check for finding in validate(tmp_path / "out").findings] == ["split-leak"]


LEAKS = {
    "raf-au": "RAF-ML",
    "affectnet": "FABA and FEA-20K",
    "fer2013": "FERPlus",
    "ferplus": "FER2013",
    "disfa": "SN001, SN003, SN004, SN007, SN009, SN010, SN013, SN025, SN027",
    "aff-wild2": "in several videos counts as several",
}


@pytest.mark.parametrize(("name", "words"), LEAKS.items())
def test_leaks_are_told(tmp_path, name, words):
    assert words in " ".join(read(name, plant(tmp_path, TREES[name])).notes)
