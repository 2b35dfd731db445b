"""Which rows recipes of labels learn from, what they take from them, and which they refuse."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from label_parts import SHOWN, dataset, face_row, people, split_of, tiny
from planted_trees import plant
from reader_trees import video
from recipe_parts import one_thread
from test_readers_expression import DISFA, FERPLUS

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import FacedataError, SourceError
from facedata.datasets.ingest import ingest_reader
from facedata.datasets.inputs import Reading
from facedata.recipes.labels.batches import LabelBatches
from facedata.recipes.labels.items import clips_of
from facedata.recipes.labels.module import LabelModule, rare_weights
from facedata.recipes.labels.network import LabelNetwork
from facedata.recipes.labels.recipe import train_labels
from facedata.recipes.labels.rows import COLUMNS, Face, choose_faces, face_of
from facedata.recipes.labels.truth import Coding, coding_of, labels_of

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

NAN = math.nan
FER, AU = {"expression": 1.0}, {"units": 1.0}


def chosen(root: Path, lines: list[dict], **parts):
    return choose_faces(Dataset.open(dataset(root, lines)), tiny(**parts))


def test_live_faces_alone_are_learned_from_unless_attacks_are_asked_for(tmp_path):
    spoofs = [face_row(0, 50, "anger", split="train", label="spoof", attack="print")]
    bare = [face_row(1, 51, "anger", split="train", label=None)]
    made = Dataset.open(dataset(tmp_path, people() + spoofs + bare))
    found = choose_faces(made, tiny(losses=AU))
    assert (len(found.train.faces), len(found.dev.faces)) == (25, 12)
    everything = choose_faces(made, tiny(losses=AU, rows={"spoofs": True}))
    assert len(everything.train.faces) == 26


def test_votes_are_shares_and_those_for_no_expression_do_not_count(tmp_path):
    votes = {"happiness": 6, "neutral": 2, "unknown": 2}
    rows = people()
    rows += [
        face_row(0, 60, "happiness", split="train", votes=votes),
        face_row(0, 61, None, split="train", votes={"anger": 5, "disgust": 5}),
        face_row(0, 62, None, split="train", votes={"unknown": 10}),
        face_row(0, 63, None, split="train"),
    ]
    made = Dataset.open(dataset(tmp_path, rows))
    found = choose_faces(made, tiny(losses=FER))
    assert found.classes == ("anger", "disgust", "happiness", "neutral")
    assert len(found.train.faces) == 24 + 2
    shares = {tuple(one.tolist()) for one in found.train.labels.shares if one.max() < 1}
    assert shares == {(0, 0, 0.75, 0.25), (0.5, 0.5, 0, 0)}
    hard = choose_faces(made, tiny(losses={**FER, "soft": False}))
    assert len(hard.train.faces) == 24 + 1
    assert (hard.train.labels.shares.max(1) == 1).all()


def test_other_is_an_expression_only_where_it_is_asked_for(tmp_path):
    made = Dataset.open(
        dataset(tmp_path, [*people(), *(face_row(n, 9, "other", split=split_of(n)) for n in (0, 2))])
    )
    assert "other" not in choose_faces(made, tiny(losses=FER)).classes
    assert len(choose_faces(made, tiny(losses=FER)).train.faces) == 24
    both = choose_faces(made, tiny(losses=FER, rows={"classes": ["other", "neutral"]}))
    assert both.classes == ("neutral", "other")
    assert len(both.train.faces) == 6 + 1


def test_what_was_not_coded_is_neither_present_nor_absent():
    codings = [
        Coding({}, {4: 0.0, 12: None}, NAN, 0.5),
        Coding({"fear": 1.0, "anger": 3.0}, {4: 2.5}, -1.0, NAN),
        Coding({"joy": 2.0}, {}, NAN, NAN),
    ]
    found = labels_of(codings, ("anger", "fear"), (4, 12))
    assert found.present.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert found.coded.tolist() == [[True, True], [True, False], [False, False]]
    assert found.graded.tolist() == [[True, False], [True, False], [False, False]]
    assert found.level.tolist() == [[0, 0], [2.5, 0], [0, 0]]
    assert found.shares.tolist() == [[0, 0], [0.75, 0.25], [0, 0]]
    assert found.rated.tolist() == [[False, True], [True, False], [False, False]]
    # a clip of the first two: the mean of what was coded of its frames
    clip = found.of([[0, 1], [2]])
    assert clip.present.tolist() == [[0.5, 1], [0, 0]]
    assert clip.coded.tolist() == [[True, True], [False, False]]
    assert clip.level.tolist() == [[1.25, 0], [0, 0]]
    assert clip.shares.tolist() == [[0.75, 0.25], [0, 0]]
    assert clip.affect.tolist() == [[-1, 0.5], [0, 0]]


def row_of(**more) -> dict:
    told = {
        "sample_id": "s1",
        "expression": None,
        "au": None,
        "au_domain": None,
        "valence": None,
        "arousal": None,
    }
    return {**told, **more}


@pytest.mark.parametrize(
    ("row", "votes", "said"),
    [
        (
            {"expression": "hapiness"},
            None,
            "s1 has the expression 'hapiness', which is none of neutral, .*rows.classes",
        ),
        ({"expression": "nan"}, None, "s1 has the expression 'nan'"),
        (
            {"au": [{"au": 12, "intensity": NAN}], "au_domain": [12]},
            None,
            "s1: AU12 has the intensity nan, not 0 to 5",
        ),
        (
            {"au": [{"au": 12, "intensity": 6.0}], "au_domain": [12]},
            None,
            "s1: AU12 has the intensity 6, not 0 to 5",
        ),
        ({"valence": NAN}, None, r"s1: valence is nan, not in \[-1, 1\]"),
        ({"arousal": -5.0}, None, r"s1: arousal is -5, not in \[-1, 1\]"),
        ({}, {"anger": NAN}, "s1: 'anger' has nan votes, no number"),
        ({}, {"anger": "many"}, "s1: 'anger' has 'many' votes, no number"),
    ],
)
def test_a_label_that_is_none_is_named_with_its_sample_and_the_mend(row, votes, said):
    with pytest.raises(SourceError, match=said) as told:
        coding_of(row_of(**row), votes, ())
    assert "facedata edit" in str(told.value)


def test_a_label_that_is_none_matters_only_where_the_row_is_learned_from(tmp_path):
    bad = face_row(3, 9, "hapiness", split="test")
    assert len(chosen(tmp_path / "test", [*people(), bad], losses=FER).train.faces) == 24
    with pytest.raises(SourceError, match="has the expression 'hapiness'"):
        chosen(tmp_path / "train", [*people(), {**bad, "split": "train"}], losses=FER)


def test_a_null_level_is_present_and_zero_is_absent():
    row = row_of(au=[{"au": 4, "intensity": None}, {"au": 12, "intensity": 0.0}], au_domain=[1, 4, 12])
    assert coding_of(row, None, ()).units == {1: 0.0, 4: None, 12: 0.0}


def of(name: str | None, **more) -> list[dict]:
    return [
        face_row(person, 0, name, **{"split": "train" if person < 4 else "val", **more})
        for person in range(8)
    ]


@pytest.mark.parametrize(
    ("rows", "parts", "said"),
    [
        (
            people(au=None, au_domain=None),
            {"losses": AU},
            r"no rows for train have a coded action unit \(au_domain\)",
        ),
        (people(expression=None), {"losses": FER}, "no rows for train name an expression"),
        (
            of("anger"),
            {"losses": FER},
            r"every row for train shows one expression \(anger\); two are needed: .*merge",
        ),
        (
            [row for row in people() if row["split"] != "val" or row["expression"] == "anger"],
            {"losses": FER},
            r"every row for development shows one expression \(anger\)",
        ),
        (of("disgust"), {"losses": AU}, "every coded unit shows on all rows to train on, or on none"),
        (
            people(),
            {"losses": FER, "rows": {"classes": ["anger", "pain"]}},
            "no row of dataset to train on shows 'pain'",
        ),
        (
            people(),
            {"losses": AU, "rows": {"units": [4, 9]}},
            "rows.units: AU9 is coded on no row .*; 4, 12 are",
        ),
        (people(), {"losses": AU, "rows": {"hold_out": ["west"]}}, "no domain 'west' in dataset"),
        (
            [{**row, "split": "test"} for row in people()],
            {"losses": AU},
            "has no rows of the split train; it has test",
        ),
        (
            [face_row(0, number, name) for number, name in enumerate(SHOWN)],
            {"losses": AU},
            "no rows for development are left: there are no people to spare",
        ),
        (
            [{**row, "au": dict.fromkeys(row["au"])} for row in people()],
            {"losses": {**AU, "intensity": 1.0}},
            r"no row to train on has a unit with an intensity \(au\); set losses.intensity: 0",
        ),
        (
            people(),
            {"losses": {**FER, "affect": 1.0}},
            "no row to train on has valence or arousal; set losses.affect: 0",
        ),
    ],
    ids=[
        "nothing coded",
        "no expression",
        "one class to learn",
        "one class to watch",
        "units of one side",
        "no class",
        "no unit",
        "no domain",
        "no split train",
        "one person",
        "not graded",
        "no affect",
    ],
)
def test_rows_that_nothing_can_be_learned_from_are_refused(tmp_path, rows, parts, said):
    kind = "fer" if "expression" in parts["losses"] else "au"
    with pytest.raises(FacedataError, match=said):
        train_labels(kind, dataset(tmp_path, rows), tmp_path / "m", tiny(**parts))
    assert not (tmp_path / "m").exists()


def test_a_unit_of_one_side_is_left_out_and_said_so(tmp_path):
    found = chosen(tmp_path, people(au_domain=[4, 12, 25]), losses=AU)
    assert (found.units, found.left_out) == ((4, 12), (25,))


def test_without_a_split_val_whole_people_are_kept_for_development(tmp_path):
    lines = [{**row, "split": None} for row in people(10)]
    found = chosen(tmp_path, lines, losses=AU, rows={"dev_share": 0.2})
    names = [{face.person for face in part.faces} for part in (found.train, found.dev)]
    assert not names[0] & names[1]
    assert [len(one) for one in names] == [8, 2]
    assert "20 % of the people" in found.of


def test_frames_of_a_file_are_a_clip_and_pictures_that_share_one_are_not():
    base = dict.fromkeys(COLUMNS) | {"width": 32, "height": 32, "sample_id": "s", "image": "x"}
    video = {"dataset": "d", "file": "a.mp4", "frame": 3, "sha256": "f"}

    def face(**more):
        return face_of({**base, **more})

    one = face(source=video)
    assert one.frame == 3
    assert one.clip == face(source={**video, "frame": 9}).clip
    assert one.clip != face(source={**video, "file": "b.mp4"}).clip
    # what is made of a clip is another one, and each variant is
    assert one.clip != face(source=video, operator="blur", variant=0).clip
    assert (
        face(source=video, operator="blur", variant=1).clip
        != face(source=video, operator="blur", variant=0).clip
    )
    # frames of one table of pixels are known by hashes of their own
    assert one.clip != face(source={**video, "sha256": "g"}).clip
    assert face(source={**video, "frame": None}).clip is None
    # pictures that are numbered frames of a sequence
    told = face(source={"dataset": "d"}, attributes='{"frame": 7, "sequence": "S1"}')
    assert (told.frame, told.clip) == (
        7,
        face(source={"dataset": "d"}, attributes='{"frame": 8, "sequence": "S1"}').clip,
    )
    assert face().clip is None


def test_what_was_not_coded_moves_no_weight_of_its_unit(tmp_path):
    """Through pictures, network and loss: the last layer's rows of a unit that no sample of a batch has."""
    rows = people()
    found = chosen(tmp_path, rows, losses=AU)
    config = tiny(losses=AU)
    batches = LabelBatches(Dataset.open(tmp_path / "dataset"), found.train, (4, 12), config)
    batch = batches.place(batches.at(0), torch.device("cpu"))
    batch.told.coded[:, 1] = False
    batch.told.present[:, 1] = NAN
    torch.manual_seed(0)
    module = LabelModule(LabelNetwork(config, 0, (4, 12)), config.losses, torch.ones(2))
    sum(module(batch).values()).backward()
    assert module.network.units.weight.grad[1].abs().sum() == 0
    assert module.network.shown.grad[1].abs().sum() == 0
    assert module.network.units.weight.grad[0].abs().sum() > 0
    assert all(torch.isfinite(one.grad).all() for one in module.parameters() if one.grad is not None)


def test_units_that_seldom_show_count_more_up_to_a_limit():
    codings = [
        Coding({}, {1: 5.0 if n < 2 else 0.0, 2: 5.0 if n < 6 else 0.0, 4: 0.0}, NAN, NAN) for n in range(10)
    ]
    found = labels_of(codings, (), (1, 2, 4))
    assert rare_weights(found, 3.0).tolist() == [3, 1, 3]
    assert rare_weights(found, 9.0).tolist() == pytest.approx([4, 1, 9])


def test_a_batch_is_a_function_of_its_number_and_shows_a_clip_in_one_light(tmp_path):
    rows = [
        face_row(person, number, name, split="train", sequence=f"s{person}", frame=number)
        for person in range(4)
        for number, name in enumerate(SHOWN)
    ] + [face_row(9, number, name, split="val") for number, name in enumerate(SHOWN)]
    made = Dataset.open(dataset(tmp_path, rows))
    config = tiny(losses=AU, clips={"each_batch": 2, "frames": 3}, augment={"noise": 0.0, "flip": 0.5})
    found = choose_faces(made, config)
    one, other = (LabelBatches(made, found.train, (4, 12), config) for _ in range(2))
    batch, again = (each.place(each.at(5), torch.device("cpu")) for each in (one, other))
    assert torch.equal(batch.pictures, again.pictures)
    assert not torch.equal(other.place(other.at(6), torch.device("cpu")).pictures, batch.pictures)
    assert batch.item.tolist() == [0, 1, 2, 3, 4, 5, 6, 6, 6, 7, 7, 7]
    assert batch.time.tolist() == [0] * 6 + [0, 1, 2] * 2
    for clip in (6, 7):
        look = batch.look.maps[batch.item == clip]
        assert torch.equal(look, look[:1].expand(3, -1, -1))
    assert not np.array_equal(batch.look.maps[0], batch.look.maps[1])


def ingested(root: Path, name: str, tree: dict, **choices: str) -> list[Face]:
    """The faces of a dataset's tree, read by its reader."""
    plant(root / "tree", tree)
    if name == "disfa" and "images" not in choices:
        video(root / "tree" / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi")
    ingest_reader(name, root / "tree", root / "set", Reading(), Options(), choices=choices)
    return [face_of(row) for row in Dataset.open(root / "set").rows(COLUMNS)]


def test_clips_are_found_in_what_the_readers_say(tmp_path):
    film = {place: told for place, told in DISFA.items() if "images" not in place}
    for folder, tree, choices in (("video", film, {}), ("frames", DISFA, {"images": "images"})):
        faces = ingested(tmp_path / folder, "disfa", tree, **choices)
        (clip,) = clips_of(faces)
        first, second = (faces[one].frame for one in clip)
        assert second == first + 1
    # one file holds all of FER2013's pictures, which have nothing to do with each other
    pictures = ingested(tmp_path / "fer", "ferplus", FERPLUS)
    assert len(pictures) == 3
    assert clips_of(pictures) == []


def test_votes_are_found_in_what_the_readers_say(tmp_path):
    ingested(tmp_path, "ferplus", FERPLUS)
    rows = {row["split"]: row for row in Dataset.open(tmp_path / "set").rows((*COLUMNS, "split"))}
    votes = json.loads(rows["train"]["attributes"])["votes"]
    assert coding_of(rows["train"], votes, ()).votes == {"neutral": 4, "sadness": 1, "anger": 3, "disgust": 2}
    nobody = json.loads(rows["test"]["attributes"])["votes"]  # unknown 1, no face 9
    assert coding_of(rows["test"], nobody, ()).votes == {}
