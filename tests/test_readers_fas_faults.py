"""Readers of anti-spoofing datasets: bad input is named with file and line, and the ambiguous is refused."""

from __future__ import annotations

import json
from pathlib import Path

import fas_trees as trees
import pytest
from reader_trees import image, read, text, video

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.ingest import parse_choices
from facedata.datasets.readers.base import Entry, Note
from facedata.datasets.readers.catalogue import open_reader
from facedata.datasets.record import Failure


def said(name: str, root: Path, **choices: str):
    """What a reader says of a tree, without opening a picture: entries by file, notes, failures."""
    reader = open_reader(name)
    everything = list(reader.read(root, parse_choices(reader, choices)))
    entries = {one.file: one for one in everything if isinstance(one, Entry)}
    notes = " | ".join(one.text for one in everything if isinstance(one, Note))
    return entries, notes, [one for one in everything if isinstance(one, Failure)]


# Reader and choices, tree, what is changed in it, and the failure that must come of it, by its whole message.
FAULTS = {
    "oulu name out of range": (
        "oulu-npu",
        {},
        trees.oulu,
        lambda root: video(root / "Test_files/1_1_56_1.avi", 1),
        "Test_files/1_1_56_1.avi: 1_1_56_1 is not Phone",
    ),
    "oulu label outside": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        lambda root: text(root / "Protocols/Protocol_1/Dev.txt", "9,2_1_21_5\n-1,2_1_21_5\n"),
        "Protocols/Protocol_1/Dev.txt:1: label '9' is none of +1, -1 and -2; mend the list",
    ),
    "oulu label against name": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        lambda root: text(root / "Protocols/Protocol_1/Dev.txt", "+1,2_1_21_5\n"),
        "Protocols/Protocol_1/Dev.txt:1: label +1 for 2_1_21_5, which is replay by its name",
    ),
    "oulu print listed as replay": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        lambda root: text(root / "Protocols/Protocol_1/Test.txt", "-2,1_2_55_3\n"),
        "Protocols/Protocol_1/Test.txt:1: label -2 for 1_2_55_3, which is print by its name",
    ),
    "oulu ragged": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        lambda root: text(root / "Protocols/Protocol_1/Dev.txt", "-1,2_1_21_5,x\n"),
        "Protocols/Protocol_1/Dev.txt:1: 3 columns where 2 are expected",
    ),
    "oulu listed video missing": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        lambda root: text(root / "Protocols/Protocol_1/Dev.txt", "\n-1,3_1_22_2\n"),
        "Protocols/Protocol_1/Dev.txt:2: Dev_files/3_1_22_2.avi: no such file",
    ),
    "oulu listed twice": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        lambda root: text(root / "Protocols/Protocol_1/Dev.txt", "-1,2_1_21_5\n-1,2_1_21_5\n"),
        "Protocols/Protocol_1/Dev.txt:2: Dev_files/2_1_21_5.avi is named already at Protocols/Protocol_1/Dev",
    ),
    "eye frame twice": (
        "oulu-npu",
        {},
        trees.oulu,
        lambda root: text(root / "Train_files/1_1_01_1.txt", "0,1,2,3,4\n0,1,2,3,4\n"),
        "Train_files/1_1_01_1.txt:2: frame 0 stands twice",
    ),
    "eyes at infinity": (
        "oulu-npu",
        {},
        trees.oulu,
        lambda root: text(root / "Train_files/1_1_01_1.txt", "0,1,2,3,1e999\n"),
        "Train_files/1_1_01_1.txt:1: '0,1,2,3,1e999' is no line of numbers",
    ),
    "frame of no number": (
        "oulu-npu",
        {},
        trees.oulu,
        lambda root: text(root / "Train_files/1_1_01_1.txt", "nan,1,2,3,4\n"),
        "Train_files/1_1_01_1.txt:1: 'nan,1,2,3,4' is no line of numbers",
    ),
    "box at infinity": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        lambda root: text(root / "Data/train/17/live/000001_BB.txt", "1 2 3 " + "9" * 400),
        f"Data/train/17/live/000001_BB.txt:1: '1 2 3 {'9' * 400}' is not x y width height",
    ),
    "casia video of another name": (
        "casia-fasd",
        {},
        trees.casia_fasd,
        lambda root: video(root / "train_release/1/HR_5.avi", 1),
        "train_release/1/HR_5.avi: not {train,test}_release",
    ),
    "replay real under attack": (
        "replay-attack",
        {},
        trees.replay_attack,
        lambda root: (root / f"{trees.REPLAY_REAL}.mov").rename(
            root / "train/attack/fixed" / Path(f"{trees.REPLAY_REAL}.mov").name
        ),
        "train/attack/fixed/client009_session01_webcam_authenticate_adverse_1.mov: not {train,devel,test}",
    ),
    "ragged face file": (
        "replay-attack",
        {},
        trees.replay_attack,
        lambda root: text(root / f"face-locations/{trees.REPLAY_REAL}.face", "0 1 2 3\n"),
        f"face-locations/{trees.REPLAY_REAL}.face:1: '0 1 2 3' is not a frame and 4 numbers",
    ),
    "words in a face file": (
        "siw",
        {},
        trees.siw,
        lambda root: text(root / "Train/live/001/001-1-1-1-1.face", "4 6 20 26\nx\n"),
        "Train/live/001/001-1-1-1-1.face:2: 'x' is no line of numbers",
    ),
    "msu client on no list": (
        "msu-mfsd",
        {},
        trees.msu_mfsd,
        lambda root: text(root / "test_sub_list.txt", "04\n"),
        f"{trees.MSU_PRINT}.mp4: its client is on neither list",
    ),
    "msu client on both lists": (
        "msu-mfsd",
        {},
        trees.msu_mfsd,
        lambda root: text(root / "test_sub_list.txt", "\ufeff03\r\n02\r\n"),
        "test_sub_list.txt:2: client 02 is in train already",
    ),
    "siw folder against name": (
        "siw",
        {},
        trees.siw,
        lambda root: video(root / "Train/live/001/001-1-2-1-9.mov", 1),
        "Train/live/001/001-1-2-1-9.mov: lies under live, but its name says spoof (type 2)",
    ),
    "celeba of 43 numbers": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        lambda root: text(
            root / "metas/intra_test/test_label.json", json.dumps({"a/b.png": trees.codes(1)[1:]})
        ),
        "metas/intra_test/test_label.json: entry 1: a/b.png: not 44 whole numbers",
    ),
    "celeba type outside": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        lambda root: text(
            root / "metas/intra_test/test_label.json", json.dumps({"a/b.png": trees.codes(11)})
        ),
        "metas/intra_test/test_label.json: entry 1: a/b.png: spoof type 11, light 0, place 0",
    ),
    "celeba disagrees": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        lambda root: text(
            root / "metas/intra_test/test_label.json", json.dumps({"a/b.png": trees.codes(2, flag=0)})
        ),
        "metas/intra_test/test_label.json: entry 1: a/b.png: spoof type 2 (number 40) disagrees with 0",
    ),
    "celeba picture twice": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        lambda root: text(
            root / "metas/intra_test/test_label.json",
            "{" + ",".join(f'"Data/test/18/spoof/000003.png": {trees.codes(10)}' for _ in range(2)) + "}",
        ),
        "metas/intra_test/test_label.json: entry 2: Data/test/18/spoof/000003.png is named already at "
        "metas/intra_test/test_label.json: entry 1",
    ),
    "celeba bad box": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        lambda root: text(root / "Data/train/17/live/000001_BB.txt", "1 2 3\n"),
        "Data/train/17/live/000001_BB.txt:1: '1 2 3' is not x y width height",
    ),
    "hq-wmca subset outside": (
        "hq-wmca",
        {},
        trees.hq_wmca,
        lambda root: text(
            root / "PROTOCOL-grand_test-curated.csv",
            "video_name,subset\ncam/1_01_0005_0000_00_00,train\ncam/1_02_0006_0007_05_02,999\n",
        ),
        "PROTOCOL-grand_test-curated.csv:3: subset '999' is not train, dev or eval",
    ),
    "hq-wmca type outside": (
        "hq-wmca",
        {},
        trees.hq_wmca,
        lambda root: text(
            root / "PROTOCOL-grand_test-curated.csv",
            "video_name,subset\ncam/1_01_0005_0000_00_00,train\ncam/1_02_0006_0007_11_02,train\n",
        ),
        "PROTOCOL-grand_test-curated.csv:3: 1_02_0006_0007_11_02 is not site_session",
    ),
    "hq-wmca recording missing": (
        "hq-wmca",
        {},
        trees.hq_wmca,
        lambda root: text(
            root / "PROTOCOL-grand_test-curated.csv",
            "video_name,subset\ncam/1_01_0005_0000_00_00,train\ncam/1_01_0008_0000_00_00,dev\n",
        ),
        "PROTOCOL-grand_test-curated.csv:3: cam/1_01_0008_0000_00_00.hdf5: no such file",
    ),
    "surf label outside": (
        "casia-surf",
        {},
        trees.casia_surf,
        lambda root: text(root / "val_private_list.txt", "a.jpg b.jpg c.jpg -1\n"),
        "val_private_list.txt:1: label '-1' is not 1 (live) or 0 (attack)",
    ),
    "surf ragged": (
        "casia-surf",
        {},
        trees.casia_surf,
        lambda root: text(root / "val_private_list.txt", "a.jpg 1\n"),
        "val_private_list.txt:1: 2 words where 3 pictures and a label are expected",
    ),
    "surf label against folder": (
        "casia-surf",
        {},
        trees.casia_surf,
        lambda root: text(
            root / "val_private_list.txt", " ".join([trees.SURF_FAKE.format("color")] * 3) + " 1\n"
        ),
        f"val_private_list.txt:1: {trees.SURF_FAKE.format('color')} lies under fake_part, but",
    ),
    "hifimask label outside": (
        "hifimask",
        {},
        trees.hifimask,
        lambda root: text(root / "val.txt", "val/0000/0001.png 2\n"),
        "val.txt:1: label '2' is not 1 (live) or 0 (mask)",
    ),
    "a path that climbs out": (
        "hifimask",
        {},
        trees.hifimask,
        lambda root: text(root / "val.txt", "val/../../../secret.png 1\n"),
        "val.txt:1: val/../../../secret.png: the path leads out of the dataset's folder",
    ),
    "a listed picture missing": (
        "hifimask",
        {},
        trees.hifimask,
        lambda root: text(root / "val.txt", "\r\n 'val/0000/0009.png' 1 \r\n"),
        "val.txt:2: val/0000/0009.png: no such file",
    ),
    "uniattackdata code outside": (
        "uniattackdata",
        {},
        trees.uniattackdata_plus,
        lambda root: text(root / "Protocol-val.txt", "Data-val/3.png 3_0_0\n"),
        "Protocol-val.txt:1: label '3_0_0' is neither 0, 1 nor a code",
    ),
}


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named_and_the_rest_is_read(tmp_path, case):
    name, choices, build, spoil, words = case
    build(tmp_path / "data")
    spoil(tmp_path / "data")
    samples, record = read(name, tmp_path / "data", tmp_path / "out", **choices)
    assert [one.reason for one in record.failures if one.reason.startswith(words)], record.failures
    assert samples


REFUSALS = {
    "0 and 1 of UniAttackData": (
        "uniattackdata",
        {},
        trees.uniattackdata,
        r"train_label.txt:1: label 1 .*--choose live=1 or live=0",
    ),
    "a choice of no reader": (
        "siw",
        {"protocol": "1"},
        trees.siw,
        r"--choose protocol=1: .*choices of siw are: none",
    ),
    "a value of no choice": (
        "oulu-npu",
        {"protocol": "5"},
        trees.oulu,
        r"--choose protocol=5: .*choices of oulu-npu are: protocol",
    ),
    "a protocol whose lists are missing": (
        "oulu-npu",
        {"protocol": "4_2"},
        trees.oulu,
        r"--choose protocol=4_2: .*Protocol_4/Train_2.txt is missing",
    ),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_ambiguous_is_refused_with_the_flag_that_settles_it(tmp_path, case):
    name, choices, build, words = case
    build(tmp_path / "data")
    with pytest.raises(UsageError, match=words):
        read(name, tmp_path / "data", tmp_path / "out", **choices)


def test_protocols_whose_splits_overlap_are_not_mixed(tmp_path):
    trees.uniattackdata(tmp_path)
    image(tmp_path / "phase1/p2.1/train/000001.jpg", 1)
    text(tmp_path / "phase1/p2.1/train_label.txt", "p2.1/train/000001.jpg 1\n")
    with pytest.raises(UsageError, match=r"protocols p1, p2.1, .*--choose protocol=p1"):
        said("uniattackdata", tmp_path, live="1")
    entries, _, failures = said("uniattackdata", tmp_path, live="1", protocol="p2.1")
    assert (list(entries), failures) == (["phase1/p2.1/train/000001.jpg"], [])


def test_msu_without_a_list_of_clients_is_refused(tmp_path):
    trees.msu_mfsd(tmp_path)
    (tmp_path / "test_sub_list.txt").unlink()
    with pytest.raises(SourceError, match=r"holds no test_sub_list.txt, which says who is in test"):
        said("msu-mfsd", tmp_path)


def test_hdf5_without_h5py_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("facedata.datasets.readers.hq_wmca.find_spec", lambda name: None)
    trees.hq_wmca(tmp_path)
    text(tmp_path / "cam/1_01_0005_0000_00_00.hdf5", "")
    with pytest.raises(UsageError, match=r"curated.csv:2: cam/1_01_0005_0000_00_00.hdf5 .*pip install h5py"):
        said("hq-wmca", tmp_path)
