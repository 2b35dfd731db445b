"""Readers of anti-spoofing datasets: every field of a few rows of each, against values written by hand."""

from __future__ import annotations

import fas_trees as trees
import numpy as np
import pytest
from reader_trees import image, read, stated

from facedata.datasets.errors import PictureError, SourceError
from facedata.datasets.framing import Framing
from facedata.datasets.readers.hq_wmca import Recording


def said(label, attack, subject, split, /, *, fields=None, **attributes) -> dict:
    """The fields of a row: what is None is absent from it, and so are attributes where there are none."""
    row = {"label": label, "attack": attack, "subject": subject, "split": split, **(fields or {})}
    row["attributes"] = attributes or None
    return {name: value for name, value in row.items() if value is not None}


# Reader and choices, tree, number of samples, words of the notes, rows by file and frame.
TREES = {
    "oulu-npu": (
        "oulu-npu",
        {},
        trees.oulu,
        8,
        ["1 is live, 2-3 print, 4-5 replay"],
        {
            ("Train_files/1_1_01_1.avi", 0): said(
                "live", None, "01", "train", phone=1, session=1, fields={"landmarks": ((8, 9), (20, 9.5))}
            ),
            ("Test_files/1_2_55_3.avi", 1): said(
                "spoof", "print", "55", "test", phone=1, session=2, instrument="printer 2"
            ),
            ("Dev_files/2_1_21_5.avi", 0): said(
                "spoof", "replay", "21", "val", phone=2, session=1, instrument="display 2"
            ),
        },
    ),
    "oulu-npu by protocol": (
        "oulu-npu",
        {"protocol": "1"},
        trees.oulu,
        8,
        [],
        {
            ("Train_files/6_3_20_2.avi", 1): said(
                "spoof", "print", "20", "train", phone=6, session=3, instrument="printer 1"
            ),
        },
    ),
    "casia-fasd": (
        "casia-fasd",
        {},
        trees.casia_fasd,
        8,
        ["HR_4 live: it is an attack", "no development set"],
        {
            ("train_release/1/1.avi", 0): said("live", None, "train-1", "train", quality="low"),
            ("train_release/1/HR_2.avi", 0): said(
                "spoof", "paper/curved", "train-1", "train", quality="high", instrument="warped photo"
            ),
            ("test_release/1/5.avi", 1): said(
                "spoof", "paper/cut", "test-1", "test", quality="low", instrument="cut photo"
            ),
            ("test_release/30/HR_4.avi", 1): said(
                "spoof", "replay", "test-30", "test", quality="high", instrument="video"
            ),
        },
    ),
    "replay-attack": (
        "replay-attack",
        {},
        trees.replay_attack,
        6,
        ["folder real is live", "passed over: 1 enrolment"],
        {
            (f"{trees.REPLAY_REAL}.mov", 0): said(
                "live",
                None,
                "009",
                "val",
                session="01",
                light="adverse",
                take="1",
                fields={"box": (4, 6, 16, 20)},
            ),
            (f"{trees.REPLAY_REAL}.mov", 1): said(
                "live", None, "009", "val", session="01", light="adverse", take="1"
            ),
            (f"{trees.REPLAY_FIXED}.mov", 0): said(
                "spoof",
                "print",
                "001",
                "train",
                session="01",
                light="controlled",
                instrument="print",
                content="photo",
                source_camera="highdef",
                support="fixed",
            ),
            (f"{trees.REPLAY_HAND}.mov", 0): said(
                "spoof",
                "replay/lcd",
                "003",
                "test",
                session="01",
                light="adverse",
                instrument="highdef",
                content="video",
                source_camera="mobile",
                support="hand",
            ),
        },
    ),
    "msu-mfsd": (
        "msu-mfsd",
        {},
        trees.msu_mfsd,
        6,
        ["real is live and attack is spoof", "upside down"],
        {
            (f"{trees.MSU_REAL}.mov", 0): said(
                "live",
                None,
                "002",
                "train",
                camera="laptop",
                quality="SD",
                scene="01",
                fields={"box": (4, 6, 16, 20), "landmarks": ((8, 10), (16, 10))},
            ),
            (f"{trees.MSU_PRINT}.mp4", 1): said(
                "spoof",
                "print",
                "003",
                "test",
                camera="android",
                quality="SD",
                scene="01",
                instrument="printed_photo",
            ),
            (f"{trees.MSU_PAD}.mov", 0): said(
                "spoof",
                "replay/lcd",
                "003",
                "test",
                camera="laptop",
                quality="HD",
                scene="01",
                instrument="ipad_video",
            ),
        },
    ),
    "siw": (
        "siw",
        {},
        trees.siw,
        6,
        ["1 live, 2 print, 3 replay"],
        {
            ("Train/live/001/001-1-1-1-1.mov", 1): said(
                "live", None, "001", "train", sensor=1, medium=1, session=1, fields={"box": (4, 6, 16, 20)}
            ),
            ("Train/live/001/001-1-1-1-1.mov", 0): said(
                "live", None, "001", "train", sensor=1, medium=1, session=1
            ),
            ("Train/spoof/001/001-2-2-2-1.mov", 0): said(
                "spoof", "print", "001", "train", sensor=2, medium=2, session=1
            ),
            ("Test/spoof/165/165-1-3-4-2.mov", 0): said(
                "spoof", "replay", "165", "test", sensor=1, medium=4, session=2
            ),
        },
    ),
    "celeba-spoof": (
        "celeba-spoof",
        {},
        trees.celeba_spoof,
        3,
        ["checked against number 43", "leak: the live pictures are pictures of CelebA"],
        {
            ("Data/train/17/live/000001.png", None): said(
                "live", None, "17", "train", traits=["Male", "Young"], fields={"box": (112, 56, 56, 28)}
            ),
            ("Data/train/17/spoof/000002.png", None): said(
                "spoof", "paper/cut", "17", "train", spoof_type="face mask", light="back", place="outdoor"
            ),
            ("Data/test/18/spoof/000003.png", None): said(
                "spoof", "mask", "18", "test", spoof_type="3D mask", light="normal", place="indoor"
            ),
        },
    ),
    "hq-wmca": (
        "hq-wmca",
        {},
        trees.hq_wmca,
        4,
        ["00 is bona fide"],
        {
            ("cam/1_01_0005_0000_00_00.mov", 1): said(
                "live", None, "0005", "train", site="1", session="01", presenter="0000", subtype="00"
            ),
            ("cam/1_02_0006_0007_05_02/1.png", None): said(
                "spoof",
                "mask/rigid",
                "0006",
                "test",
                site="1",
                session="02",
                presenter="0007",
                subtype="02",
                instrument="rigid mask",
            ),
        },
    ),
    "casia-surf": (
        "casia-surf",
        {},
        trees.casia_surf,
        4,
        ["1 live and 0 attack; modality color"],
        {
            (trees.SURF_LIVE.format("color"), None): said("live", None, "CLKJ_CS0110", "train"),
            (trees.SURF_FAKE.format("color"), None): said(
                "spoof",
                "paper/cut",
                "CLKJ_AS0005",
                "train",
                attack="04_en_b",
                holes=["eyes", "nose"],
                bent=True,
            ),
            ("Val/0000/000000-color.jpg", None): said("spoof", "paper/cut", None, "val"),
            ("Testing/0000/000000-color.jpg", None): said(None, None, None, "test"),
        },
    ),
    "casia-surf in infrared": (
        "casia-surf",
        {"modality": "ir"},
        trees.casia_surf,
        4,
        ["modality ir"],
        {
            ("Testing/0000/000000-ir.jpg", None): said(None, None, None, "test"),
        },
    ),
    "hifimask": (
        "hifimask",
        {},
        trees.hifimask,
        3,
        ["1 live and 0 mask", "passed over: 1 pictures that no list names"],
        {
            ("train/3_26_3_1_6_2/0001.png", None): said(
                "spoof", "mask", "3-26", "train", skin=3, type=3, scene=1, light=6, sensor=2
            ),
            ("train/1_02_0_1_1_1/0001.png", None): said(
                "live", None, "1-02", "train", skin=1, type=0, scene=1, light=1, sensor=1
            ),
            ("val/0000/0001.png", None): said(None, None, None, "val"),
        },
    ),
    "uniattackdata": (
        "uniattackdata",
        {"live": "0"},
        trees.uniattackdata,
        3,
        ["0 is live, as --choose live=0 says"],
        {
            ("phase1/p1/train/000001.jpg", None): said("spoof", None, None, "train"),
            ("phase1/p1/train/000002.jpg", None): said("live", None, None, "train"),
            ("phase1/p1/dev/000003.jpg", None): said(None, None, None, "val"),
        },
    ),
    "uniattackdata+": (
        "uniattackdata",
        {},
        trees.uniattackdata_plus,
        3,
        ["0_0_0 is live"],
        {
            ("Data-train/1.png", None): said("live", None, None, "train"),
            ("Data-train/2.png", None): said(
                "spoof", "mask/resin", None, "train", code="1_1_2", attack="resin mask"
            ),
            ("Data-val/3.png", None): said(
                "spoof", "digital/swap", None, "val", code="2_0_1", attack="face swap"
            ),
        },
    ),
}


@pytest.mark.parametrize("case", TREES.values(), ids=TREES.keys())
def test_every_field_of_a_tree(tmp_path, case):
    name, choices, build, count, notes, rows = case
    build(tmp_path / "data")
    samples, record = read(name, tmp_path / "data", tmp_path / "out", **choices)
    assert record.failures == []
    assert len(samples) == count
    for note in notes:
        assert note in " | ".join(record.notes)
    for place, fields in rows.items():
        row = {**fields, "domain": name}
        if "subject" in fields:
            row["subject"] = f"{name}/{fields['subject']}"
        assert stated(samples[place]) == row
        assert samples[place].source.dataset == name
    assert record.parameters["kind"] == name


@pytest.mark.parametrize("name", sorted({case[0] for case in TREES.values()}))
def test_a_tree_that_is_another_one_is_refused(tmp_path, name):
    image(tmp_path / "data/holiday/1.webp")
    with pytest.raises(SourceError, match=r"(holds no|found)"):
        read(name, tmp_path / "data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_frames_of_a_recording_are_colours_in_eight_bits():
    grey = np.array([[[0, 128, 65535]]], np.uint16)
    colours = np.arange(3, dtype=np.uint8).reshape(3, 1, 1)
    groups = {"Frame_10": {"array": colours}, "Frame_2": {"array": grey}, "stream": {}}
    recording = Recording(groups, "r.hdf5", 100)
    assert list(recording.numbers()) == [2, 10]
    frames = dict(recording.read(lambda number: True, None))
    assert list(frames) == [2, 10]
    assert frames[2].tolist() == [[[0, 0, 0], [0, 0, 0], [255, 255, 255]]]
    assert frames[10].tolist() == [[[0, 1, 2]]]
    assert dict(recording.read(lambda number: True, 2)).keys() == {2}


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.zeros((14, 2, 2), np.uint8), "unsupported"),
        (np.zeros((1, 2, 2), np.float32), "unsupported"),
        (np.zeros((1, 20, 20), np.uint8), "too-large"),
    ],
)
def test_planes_of_which_nothing_says_what_they_are_are_refused(array, kind):
    recording = Recording({"Frame_0": {"array": array}}, "r.hdf5", 100)
    with pytest.raises(PictureError, match=r"r\.hdf5 frame 0") as caught:
        list(recording.read(lambda number: True, None))
    assert caught.value.kind == kind


def test_a_face_is_cut_by_the_box_that_the_dataset_gives(tmp_path):
    trees.celeba_spoof(tmp_path / "data")
    framing = Framing(crop="box", margin=0.5, faceless="whole")
    samples, record = read("celeba-spoof", tmp_path / "data", tmp_path / "out", framing=framing)
    # The box is 112,56 56x28 of 448 x 112: with half of it on each side 84,42 112x56.
    cut = samples["Data/train/17/live/000001.png", None]
    assert (cut.width, cut.height, cut.box) == (112, 56, (28, 14, 56, 28))
    assert cut.source.conversion == "cut 84,42 112x56 of 448x112 (box, margin 0.5), to png"
    whole = samples["Data/train/17/spoof/000002.png", None]
    assert whole.source.conversion == "not cut: no box is given for it"
    assert record.parameters["crop"] == "box"
