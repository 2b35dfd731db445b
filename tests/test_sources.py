"""Folders and lists: what they say of their pictures, and what is refused."""

from __future__ import annotations

import os
import pickle
import socket

import pytest
from conftest import jpeg
from held_memory import most_held
from hypothesis import given
from hypothesis import strategies as st

from facedata.datasets.engine import Options, run
from facedata.datasets.errors import PictureError, SourceError, UsageError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.items import FileItem, place_of, printable
from facedata.datasets.labels import FolderLabels, parse_label_map
from facedata.datasets.lists import list_source
from facedata.datasets.sources import _Paths, by_prefix, folder_source
from facedata.datasets.task import Ingest


def rows_of(source, target):
    """Ingest a source and return its samples by their file."""
    from facedata.datasets.dataset import Dataset

    run("ingest", Ingest(), source, target, None, Options())
    return {sample.source.file: sample for sample in Dataset.open(target)}


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        ("a.jpg", {}),
        ("Live/a.jpg", {"label": "live"}),
        ("train/bona_fide/x/a.jpg", {"split": "train", "label": "live"}),
        ("devel/attack/replay/a.jpg", {"split": "val", "label": "spoof", "attack": "replay"}),
        ("ada/print/a.jpg", {"label": "spoof", "attack": "print"}),
        ("live.jpg", {}),
        ("alive/a.jpg", {}),
    ],
)
def test_folder_names_say_what_they_say(place, fields):
    assert FolderLabels()(place) == fields


def test_folders_that_disagree_are_refused():
    with pytest.raises(
        UsageError, match=r"live/fake/a.jpg: its folders say both 'live' and 'spoof'.*--label-map"
    ):
        FolderLabels()("live/fake/a.jpg")


def test_label_map_and_default():
    labels = FolderLabels(parse_label_map("live=CLIENT, spoof=impostor"), "live", {"domain": "lab"})
    assert labels("client/a.jpg") == {"label": "live", "domain": "lab"}
    assert labels("impostor/a.jpg")["label"] == "spoof"
    assert labels("a.jpg")["label"] == "live"
    assert "labels read from" in labels.notes(["client/a.jpg"])[0]


@pytest.mark.parametrize("text", ["live", "alive=1", "live=", "live=1,spoof=1"])
def test_bad_label_maps_are_refused(text):
    with pytest.raises(UsageError, match="--label-map"):
        parse_label_map(text)


def test_a_list_fills_the_fields_it_names(tmp_path):
    (tmp_path / "a b.jpg").write_bytes(jpeg(1))
    (tmp_path / "c.jpg").write_bytes(jpeg(2))
    (tmp_path / "list.csv").write_text(
        "\ufeffpath,label,subject,domain,split,box,valence,attack,licence,camera\n"
        "a b.jpg,1,ada,lab,train,1 2 30 31,0.5,,CC0,left\n"
        "c.jpg,0,bob,lab,test,,,print/paper,,\n",
        encoding="utf-8",
    )
    source = open_input(tmp_path / "list.csv", Reading(label_map="live=1,spoof=0"))
    found = rows_of(source, tmp_path / "out")
    ada, bob = found["a b.jpg"], found["c.jpg"]
    assert (ada.label, ada.subject, ada.domain, ada.split) == ("live", "ada", "lab", "train")
    assert (ada.box, ada.valence, ada.attributes) == ((1, 2, 30, 31), 0.5, {"camera": "left"})
    assert ada.source.licence == "CC0"
    assert (bob.label, bob.attack, bob.attributes) == ("spoof", "print/paper", None)


LISTS = {
    "ambiguous label": ("path,label\na.jpg,2\n", UsageError, r"list.csv:2: label '2' .*--label-map"),
    "no path column": ("name,label\na.jpg,live\n", SourceError, r"list.csv:1: no column of paths"),
    "empty path": ("path,label\n,live\n", UsageError, r"list.csv:2: no path"),
    "too many columns": ("path,label\na.jpg,live,x\n", UsageError, r"list.csv:2: 2 columns expected"),
    "too few columns": ("path,label\na.jpg\n", UsageError, r"list.csv:2: 2 columns expected"),
    "column twice": ("path,label,label\na.jpg,live,live\n", SourceError, r"stand twice"),
    "bad number": ("path,valence\na.jpg,high\n", UsageError, r"list.csv:2: valence 'high' is not a number"),
    "infinite number": ("path,valence\na.jpg,inf\n", UsageError, r"not a number"),
    "bad box": ("path,box\na.jpg,1 2 3\n", UsageError, r"list.csv:2: box '1 2 3' is not four numbers"),
    "live attack": ("path,label,attack\na.jpg,live,print\n", UsageError, r"a live picture with the attack"),
    "no rows": ("path\n", SourceError, r"lists no pictures"),
    "empty": ("", SourceError, r"no column of paths"),
    "latin-1": ("path\ng\xfcnther.jpg\n", SourceError, r"cannot be read as a UTF-8 list"),
    "broken quotes": ('path\n"a.jpg\n', SourceError, r"cannot be read"),
}


@pytest.mark.parametrize(("text", "error", "words"), LISTS.values(), ids=LISTS.keys())
def test_bad_lists_name_the_line_and_the_mend(tmp_path, text, error, words):
    (tmp_path / "list.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(error, match=words):
        list_source(tmp_path / "list.csv", {})


def test_a_picture_listed_twice_is_made_once_and_told(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "list.csv").write_text("path\na.jpg\n./a.jpg\nb.jpg\n")
    source = list_source(tmp_path / "list.csv", {})
    result = run("ingest", Ingest(), source, tmp_path / "out", None, Options())
    assert result.record.counts.rows == 1
    assert [failure.kind for failure in result.record.failures] == ["listed-twice", "missing"]


def test_values_out_of_range_cost_that_picture(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "list.csv").write_text("path,valence\na.jpg,7\n")
    with pytest.raises(SourceError, match=r"a.jpg: valence 7.0 is not in"):
        run("ingest", Ingest(), list_source(tmp_path / "list.csv", {}), tmp_path / "out", None, Options())


def test_odd_names_keep_their_pictures_apart(tmp_path):
    root = tmp_path / "faces"
    root.mkdir()
    names = [
        "a b.jpg",
        "new\nline.jpg",
        "ünï.jpg",
        "-rf.jpg",
        "a#1.jpg",
        "UPPER.JPG",
        "x" * 200 + ".jpg",
        "..jpg.jpg",
    ]
    for number, name in enumerate(names):
        (root / name).write_bytes(jpeg(number))
    raw = os.fsencode(root) + b"/caf\xe9.jpg"  # a name that is no UTF-8
    with open(raw, "wb") as file:  # noqa: PTH123 - Path takes no bytes
        file.write(jpeg(20))
    source = folder_source(root, FolderLabels())
    assert len(rows_of(source, tmp_path / "out")) == len(names)  # ..jpg.jpg is hidden, caf\xe9 is not
    assert {"passed over, no picture by name: 1 (..jpg.jpg)"} <= set(source.notes)


def test_duplicates_at_two_places_are_two_samples(tmp_path):
    root = tmp_path / "faces"
    root.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (root / name).write_bytes(jpeg(1))
    found = rows_of(folder_source(root, FolderLabels()), tmp_path / "out")
    a, b = found["a.jpg"], found["b.jpg"]
    assert a.content_hash == b.content_hash
    assert a.sample_id != b.sample_id


def item_error(root, name, **options):
    source = folder_source(root, FolderLabels(), **options)
    (item,) = [item for item in source.items if item.place == name]
    with pytest.raises(PictureError) as caught:
        item.read(1000)
    return caught.value


def test_links_out_of_the_tree_are_refused_unless_asked_for(tmp_path):
    root = tmp_path / "faces"
    root.mkdir()
    (tmp_path / "secret.jpg").write_bytes(jpeg(1, width=8, height=8))
    (root / "inside.jpg").write_bytes(jpeg(2, width=8, height=8))
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "near.jpg").symlink_to("inside.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "folder").symlink_to(tmp_path)
    error = item_error(root, "link.jpg")
    assert error.kind == "link"
    assert "--follow-links" in str(error)
    assert item_error(root, "loop.jpg").kind == "unreadable"
    source = folder_source(root, FolderLabels())
    assert [failure.place for failure in source.failures] == ["folder"]
    near = next(item for item in source.items if item.place == "near.jpg")
    assert near.read(1000).sample.width == 8
    followed = folder_source(root, FolderLabels(), follow_links=True)
    assert next(item for item in followed.items if item.place == "link.jpg").read(1000).sample.width == 8
    assert "folder/secret.jpg" in {item.place for item in followed.items}
    assert len(followed.items) < 20  # the link back to the parent does not loop


def test_pipes_and_sockets_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
        assert item_error(tmp_path, "pipe.jpg").kind == "not-a-file"
        assert item_error(tmp_path, "s.jpg").kind == "not-a-file"


def test_enormous_files_are_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(10**9)  # sparse
    assert item_error(tmp_path, "a.jpg").kind == "too-large"


def test_file_that_vanishes_is_told(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    (item,) = folder_source(tmp_path, FolderLabels()).items
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(PictureError, match="no such file"):
        item.read(10**6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: root, "holds no pictures"),
        (lambda root: root / "nowhere", "does not exist"),
        (lambda root: (root / "a.txt").write_text("x") and root / "a.txt", "is a file; give the folder"),
    ],
)
def test_inputs_that_cannot_work(tmp_path, make, words):
    with pytest.raises(SourceError, match=words):
        open_input(make(tmp_path), Reading())


def test_labels_are_not_taken_for_a_dataset(tmp_path, faces):
    run("ingest", Ingest(), open_input(faces, Reading()), tmp_path / "set", None, Options())
    with pytest.raises(UsageError, match="is a dataset and has its labels; leave out --label"):
        open_input(tmp_path / "set", Reading(label="live"))


@given(st.integers(1, 300), st.integers(1, 50))
def test_shards_hold_each_item_once_and_are_of_bounded_size(count, size):
    class Item:
        def __init__(self, number):
            self.place = str(number)
            self.key = f"{(number * 0x9E3779B97F4A7C15) % 2**128:032x}"

    items = [Item(number) for number in range(count)]
    groups = list(by_prefix(items, size))
    assert sorted(int(item.place) for _, group in groups for item in group) == list(range(count))
    assert len({prefix for prefix, _ in groups}) == len(groups)
    assert len(groups) <= max(1, count // size)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.randoms())
def test_the_order_of_a_listing_plays_no_part_even_where_keys_agree(keys, chance):
    class Item:
        def __init__(self, number, key):
            self.place = f"{number:03d}"
            self.key = f"{key << 124:032x}"

    items = [Item(number, key) for number, key in enumerate(keys)]
    expected = [(prefix, [item.place for item in group]) for prefix, group in by_prefix(items, 3)]
    chance.shuffle(items)
    assert [(prefix, [item.place for item in group]) for prefix, group in by_prefix(items, 3)] == expected


def test_a_listing_is_a_sequence_and_takes_little_memory(tmp_path):
    names = ["b.jpg", "ünï.jpg", "a.png", "c.webp"]
    for name in names:
        (tmp_path / name).touch()
    items = folder_source(tmp_path, FolderLabels()).items
    assert sorted(item.place for item in items) == sorted(names)
    assert [item.place for item in items[1:3]] == [items[1].place, items[2].place]
    assert items[-1].place == items[3].place
    with pytest.raises(IndexError):
        items[4]
    paths, count = _Paths(), 20_000

    def fill():
        for number in range(count):
            paths.append(f"folder/{number:07d}.jpg")

    assert most_held(fill) < 40 * count, "18 bytes of text, 8 of offset, and room to grow"
    assert len(paths) == 20_000
    assert paths[19_999] == "folder/0019999.jpg"


def test_each_file_is_looked_at_once_before_a_run(faces, tmp_path, monkeypatch):
    looked_at, stamp = [], FileItem.stamp
    monkeypatch.setattr(FileItem, "stamp", lambda item: looked_at.append(item.place) or stamp(item))
    rows = rows_of(folder_source(faces, FolderLabels()), tmp_path / "out")
    assert sorted(looked_at) == sorted(rows)


def test_items_cross_to_workers(faces):
    item = folder_source(faces, FolderLabels()).items[0]
    assert pickle.loads(pickle.dumps(item)).read(10**6).sample == item.read(10**6).sample


@pytest.mark.parametrize(("place", "shown"), [("a\nb", "a\\nb"), ("a\x1b[2J", "a\\x1b[2J"), ("ünï", "ünï")])
def test_messages_stay_on_one_line(place, shown):
    assert printable(place) == shown


def test_places_are_text_whatever_the_bytes():
    assert place_of(os.fsdecode(b"caf\xe9.jpg")) == "caf\\xe9.jpg"
