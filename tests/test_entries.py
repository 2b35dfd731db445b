"""Entries as items: which frames of a video are taken, what becomes of faults, and what rows say of them."""

from __future__ import annotations

import json
from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_trees import frame, image, text, video

from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.entries import EntryItem, Setting
from facedata.datasets.errors import PictureError, SourceError, UsageError
from facedata.datasets.frames import Video
from facedata.datasets.framing import Framing
from facedata.datasets.pictures import Encoding
from facedata.datasets.reader_source import ReaderSource
from facedata.datasets.readers.base import Entry, Note, Reader
from facedata.datasets.readers.text import json_pairs, lines, read_text, table
from facedata.datasets.record import Failure
from facedata.datasets.sample import ingested_id
from facedata.datasets.task import Ingest
from facedata.datasets.validate import validate


class Listed(Reader):
    """A reader that says what it is told."""

    name, title, tree, source = "listed", "Listed", "listed/", ""

    def read(self, root, choices):
        yield from ()


def source_of(root, *said, **setting):
    return ReaderSource(said, Setting(str(root), dataset="listed", **setting), Listed())


def made(root, target, *said, framing=None, max_pixels=10**6, **options):
    """Ingest what is said; return the samples by (file, frame) and the record's failures by place."""
    source = source_of(root, *said, framing=framing or Framing())
    options = Options(max_pixels=max_pixels, overwrite=True, **options)
    result = run("ingest", Ingest({"kind": "listed"}), source, target, None, options)
    samples = {(one.source.file, one.source.frame): one for one in Dataset.open(target)}
    return samples, {one.place: one for one in result.record.failures}


def means(target, samples):
    """The numbers of the frames that the stored pictures show (see reader_trees.frame)."""
    dataset = Dataset.open(target)
    shown = {}
    for (_, number), sample in samples.items():
        pixels = cv2.imdecode(np.frombuffer(dataset.read(sample.image), np.uint8), cv2.IMREAD_COLOR)
        shown[number] = round(float(pixels.mean()) / 8)
    return shown


@given(st.integers(1, 200), st.integers(1, 9), st.integers(1, 40))
def test_frames_are_spread_evenly(total, stride, wanted):
    every = list(range(0, total, stride))
    picked = list(Framing(stride=stride, frames=wanted).pick(range(total)))
    assert len(picked) == min(wanted, len(every))
    assert sorted(set(picked)) == picked
    assert set(picked) <= set(every)
    if len(picked) > 1:
        steps = np.diff([every.index(number) for number in picked])
        assert steps.max() - steps.min() <= 1
        ends = (every.index(picked[0]), len(every) - 1 - every.index(picked[-1]))
        assert abs(ends[0] - ends[1]) <= 1  # as far from the start as from the end


def test_the_frames_that_are_taken_are_the_frames_that_are_named(tmp_path):
    video(tmp_path / "v.avi", 12)
    cases = {
        None: Framing(stride=5),
        (1, 4, 7, 10): Framing(frames=4),
        (3, 9): Framing(frames=2),
    }
    for expected, framing in cases.items():
        samples, failures = made(tmp_path, tmp_path / "out", Entry("v.avi"), framing=framing)
        numbers = tuple(sorted(number for _, number in samples))
        assert numbers == (expected or (0, 5, 10))
        assert means(tmp_path / "out", samples) == {number: number for number in numbers}
        assert failures == {}
    assert validate(tmp_path / "out").findings == []


def test_rows_say_where_a_frame_is_from(tmp_path):
    path = video(tmp_path / "a/v.mp4", 2)
    entry = Entry("a/v.mp4", {"label": "live", "licence": "CC0", "au": {4: 2.5}, "au_domain": [1, 4]})
    samples, _ = made(tmp_path, tmp_path / "out", entry)
    sample = samples["a/v.mp4", 1]
    sha256 = content_hash(path.read_bytes())
    assert sample.sample_id == ingested_id(sha256, "a/v.mp4", 1) == sample.expected_id()
    assert (sample.source.sha256, sample.source.frame, sample.source.licence) == (sha256, 1, "CC0")
    assert sample.source.conversion == "frame to png"
    assert (sample.au, sample.au_domain) == ({4: 2.5}, (1, 4))
    assert sample.image.startswith("images/live/v-f00001-")


def test_frames_can_be_stored_as_jpeg(tmp_path):
    video(tmp_path / "v.avi", 2)
    framing = Framing(encoding=Encoding("jpeg", 90))
    samples, _ = made(tmp_path, tmp_path / "out", Entry("v.avi"), framing=framing)
    assert samples["v.avi", 0].source.conversion == "frame to jpg"
    data = Dataset.open(tmp_path / "out").read(samples["v.avi", 0].image)
    assert data.startswith(b"\xff\xd8")
    assert framing.settings() == {"encoding": {"format": "jpeg", "quality": 90}}


@pytest.mark.parametrize("options", [{"engine": "process", "workers": 2}, {"layout": "shards"}])
def test_every_engine_and_layout_makes_the_same_version(tmp_path, options):
    for number in range(3):
        video(tmp_path / f"{number}.avi", 3 + number)
    image(tmp_path / "p.png")
    said = [Entry(f"{number}.avi", {"subject": str(number)}) for number in range(3)] + [Entry("p.png")]
    made(tmp_path, tmp_path / "out", *said)
    made(tmp_path, tmp_path / "other", *reversed(said), **options)
    assert len(Dataset.open(tmp_path / "out")) == 3 + 4 + 5 + 1
    assert Dataset.open(tmp_path / "out").version == Dataset.open(tmp_path / "other").version


def test_frames_of_a_video_never_part(tmp_path):
    items = source_of(tmp_path, *(Entry(f"{n}.avi") for n in range(200))).shards(64)
    groups = [[item.file for item in group] for _, group in items]
    assert sorted(file for group in groups for file in group) == sorted(f"{n}.avi" for n in range(200))
    # A video is one item, of which a shard holds few: a shard of 64 pictures would be thousands of frames.
    assert max(map(len, groups)) < 16


def test_only_listed_frames_are_read_and_missing_ones_are_named(tmp_path):
    video(tmp_path / "v.avi", 4)
    frames = {1: {"label": "live", "where": "l.txt:1"}, 3: {"label": "spoof"}, 9: {"where": "l.txt:3"}}
    samples, failures = made(tmp_path, tmp_path / "out", Entry("v.avi", {"subject": "x"}, frames, "l.txt:9"))
    assert {number: (one.label, one.subject) for (_, number), one in samples.items()} == {
        1: ("live", "x"),
        3: ("spoof", "x"),
    }
    assert failures["v.avi frame 9"].reason == "l.txt:3: v.avi: the video has no frame 9"
    assert failures["v.avi frame 9"].kind == "missing-frame"


def test_a_list_of_no_frames_reads_none(tmp_path):
    video(tmp_path / "v.avi", 4)
    image(tmp_path / "x.png")
    samples, failures = made(tmp_path, tmp_path / "out", Entry("v.avi", frames={}), Entry("x.png"))
    assert [file for file, _ in samples] == ["x.png"]
    assert failures == {}


def test_frames_that_are_only_known_more_of_do_not_keep_others_out(tmp_path):
    video(tmp_path / "v.avi", 3)
    entry = Entry(
        "v.avi", {"label": "live"}, {1: {"box": [2, 3, 8, 9]}, 7: {"box": [1, 1, 1, 1]}}, every=True
    )
    samples, failures = made(tmp_path, tmp_path / "out", entry)
    assert {number: one.box for (_, number), one in samples.items()} == {0: None, 1: (2, 3, 8, 9), 2: None}
    assert failures == {}


def test_a_video_that_ends_early_keeps_its_frames_and_is_told(tmp_path):
    whole = video(tmp_path / "whole.avi", 30)
    data = whole.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 6 // 10])
    for framing in (Framing(), Framing(frames=2)):
        samples, failures = made(
            tmp_path, tmp_path / "out", Entry("cut.avi", where="l.txt:4"), framing=framing
        )
        assert samples
        assert failures["cut.avi"].kind == "ends-early"
        assert failures["cut.avi"].reason.startswith("l.txt:4: cut.avi: the video ends after ")
        assert " of the 30 frames" in failures["cut.avi"].reason
        assert all(shown == number for number, shown in means(tmp_path / "out", samples).items())


def test_listed_frames_beyond_the_end_of_a_cut_video_are_told_with_it(tmp_path):
    data = video(tmp_path / "whole.avi", 30).read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 6 // 10])
    frames = {0: {}, 29: {"where": "l.txt:30"}}
    samples, failures = made(tmp_path, tmp_path / "out", Entry("cut.avi", {}, frames, "l.txt:1"))
    assert [number for _, number in samples] == [0]
    assert set(failures) == {"cut.avi", "cut.avi frame 29"}


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.avi\n#EXT-X-ENDLIST\n"
BROKEN = {
    "empty": (b"", "not-a-video"),
    "text": (b"no video", "not-a-video"),
    "a playlist under another name": (PLAYLIST.encode(), "not-a-video"),
}


@pytest.mark.parametrize(("data", "kind"), BROKEN.values(), ids=BROKEN.keys())
def test_a_video_that_does_not_open_is_told_and_the_rest_is_read(tmp_path, capfd, data, kind):
    video(tmp_path / "whole.avi", 2)
    (tmp_path / "broken.avi").write_bytes(data)
    samples, failures = made(tmp_path, tmp_path / "out", Entry("whole.avi"), Entry("broken.avi", where="l:2"))
    assert len(samples) == 2
    assert failures["broken.avi"].kind == kind
    assert failures["broken.avi"].reason.startswith("l:2: broken.avi: the video cannot be opened")
    assert "WARN" not in capfd.readouterr().err


def test_a_moving_picture_under_a_videos_name_is_no_video(tmp_path):
    from PIL import Image

    frames = [Image.fromarray(frame(number)) for number in range(3)]
    frames[0].save(tmp_path / "v.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "v.gif").rename(tmp_path / "v.avi")
    with pytest.raises(PictureError, match="cannot be opened"):
        Video(tmp_path / "v.avi", "v.avi", 10**6).numbers()


def test_frames_over_the_limit_are_not_decoded(tmp_path):
    video(tmp_path / "v.avi", 2, side=64)
    image(tmp_path / "p.png")
    _, failures = made(tmp_path, tmp_path / "out", Entry("v.avi"), Entry("p.png"), max_pixels=2000)
    assert failures["v.avi"].kind == "too-large"
    assert "64 x 64" in failures["v.avi"].reason


def test_deep_video_is_read_in_eight_bits(tmp_path):
    """FFV1 of 16-bit grey: 0, the middle and the top come out as 0, 128 and 255."""
    path = tmp_path / "deep.avi"
    writer = cv2.VideoWriter(
        str(path),
        cv2.CAP_FFMPEG,
        cv2.VideoWriter.fourcc(*"FFV1"),
        25,
        (32, 32),
        [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0],
    )
    assert writer.isOpened()
    for value in (0, 32768, 65535):
        writer.write(np.full((32, 32), value, np.uint16))
    writer.release()
    frames = [pixels for _, pixels in Video(path, "deep.avi", 10**6).read(lambda number: True, None)]
    assert [pixels.dtype for pixels in frames] == [np.uint8] * 3
    assert [pixels.shape for pixels in frames] == [(32, 32, 3)] * 3
    assert [int(pixels.mean().round()) for pixels in frames] == pytest.approx([0, 128, 255], abs=1)


CLIMBS = ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "..\\x.png", "a\0.png", "."]


@pytest.mark.parametrize("file", CLIMBS)
def test_a_path_that_climbs_out_is_a_failure(tmp_path, file):
    source = source_of(tmp_path, Entry(file, where="l.txt:3"), Entry("fine.png"))
    assert source.count == 1
    (failure,) = source.failures
    assert (failure.kind, failure.place) == ("outside", "l.txt:3")
    assert failure.reason.startswith("l.txt:3: ")


def test_a_link_that_leads_out_is_a_failure(tmp_path):
    image(tmp_path / "secret/x.png")
    image(tmp_path / "data/y.png")
    (tmp_path / "data/folder").symlink_to(tmp_path / "secret")
    said = [Entry("folder/x.png", where="l.txt:1"), Entry("y.png")]
    samples, failures = made(tmp_path / "data", tmp_path / "out", *said)
    assert [file for file, _ in samples] == ["y.png"]
    assert failures["folder/x.png"].kind == "link"


def test_what_is_named_twice_is_made_once(tmp_path):
    image(tmp_path / "a/x.png")
    said = [
        Entry(file, {"label": label}, where=f"l:{n}")
        for n, (file, label) in enumerate(
            [("a/x.png", "live"), ("a//x.png", "spoof"), ("a/../a/x.png", "spoof")], 1
        )
    ]
    samples, failures = made(tmp_path, tmp_path / "out", *said)
    assert [one.label for one in samples.values()] == ["live"]
    assert sorted(failures) == ["l:2", "l:3"]
    assert failures["l:3"].reason == "l:3: a/x.png is named already at l:1; take one off"


def test_notes_are_kept_once_and_an_empty_reading_shows_the_tree(tmp_path):
    source = source_of(tmp_path, Note("one"), Note("one"), Entry("a.png"))
    assert source.notes == ["one"]
    told = Failure(place="x", kind="k", reason="x: odd")
    with pytest.raises(SourceError, match=r"no picture or video of Listed found; x: odd; .*\nlisted/"):
        source_of(tmp_path, told)


def test_values_that_cannot_be_are_told_with_the_line(tmp_path):
    image(tmp_path / "x.png")
    image(tmp_path / "y.png")
    said = [Entry("x.png", {"valence": 7}, where="l.csv:2"), Entry("y.png")]
    _, failures = made(tmp_path, tmp_path / "out", *said)
    assert failures["x.png"].reason == "l.csv:2: x.png: valence 7 is not in [-1, 1]; mend the list"


def test_what_lists_say_decides_whether_finished_work_is_kept(tmp_path):
    image(tmp_path / "x.png")
    setting = Setting(str(tmp_path))
    stamps = {
        EntryItem(setting, "x.png", json.dumps(fields), None, False, where).stamp()
        for fields, where in [({}, ""), ({"label": "live"}, ""), ({}, "l:1")]
    }
    assert len(stamps) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 0}, "--stride"),
        ({"frames": 0}, "--frames"),
        ({"crop": "head"}, "--crop 'head'"),
        ({"margin": -0.1}, "--margin"),
        ({"faceless": "skip"}, "--faceless"),
    ],
)
def test_framings_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        Framing(**options)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5
)


@given(st.dictionaries(st.text(), VALUES), st.sampled_from([None, 1]))
def test_a_json_object_is_read_pair_by_pair(tmp_path_factory, pairs, indent):
    folder = tmp_path_factory.getbasetemp()
    text(folder / "pairs.json", json.dumps(pairs, indent=indent) + "\n")
    read = list(json_pairs(folder, folder / "pairs.json"))
    assert {key: value for _, key, value in read} == pairs
    assert [where for where, _, _ in read] == [f"pairs.json: entry {n}" for n in range(1, len(pairs) + 1)]


@pytest.mark.parametrize(
    ("content", "line", "before"),
    [
        ('{"a": [1],\n "b": [2', 2, 1),
        ('{"a": [1]\n "b": [2]}', 2, 1),
        ("[1, 2]", 1, 0),
        ("", 1, 0),
        ('{"a" 1}', 1, 0),
        ("{1: 2}", 1, 0),
    ],
)
def test_a_json_text_that_breaks_off_is_told_where(tmp_path, content, line, before):
    text(tmp_path / "x.json", content)
    pairs = json_pairs(tmp_path, tmp_path / "x.json")
    assert len(list(islice(pairs, before))) == before
    with pytest.raises(SourceError, match=rf"x.json:{line}: no JSON object"):
        next(pairs)


def test_the_text_files_of_a_list_can_be_of_any_habit(tmp_path):
    text(tmp_path / "a.txt", "\ufeffone\r\n\r\n  two \n", "utf-16")
    assert list(lines(tmp_path, tmp_path / "a.txt")) == [("a.txt:1", "one"), ("a.txt:3", "two")]
    text(tmp_path / "b.csv", 'Path , \'Label\'\r\n"a, b.jpg"," 1"\r\nc.jpg\r\n"d\ne.jpg",0\r\nf,1\r\n')
    rows = list(table(tmp_path, tmp_path / "b.csv", needed=("path", "label")))
    assert [one.cells for one in rows if not isinstance(one, Failure)] == [
        {"path": "a, b.jpg", "label": "1"},
        {"path": "d\ne.jpg", "label": "0"},
        {"path": "f", "label": "1"},
    ]
    (ragged,) = [one for one in rows if isinstance(one, Failure)]
    assert ragged.reason.startswith("b.csv:3: 1 columns where 2 are expected (path, label)")
    assert rows[-1].where == "b.csv:6"  # the line it begins on, whatever stands before
    text(tmp_path / "c.txt", "g\xfcnther", "cp1252")
    assert read_text(tmp_path / "c.txt") == "g\xfcnther"
    for content, words in [("a,b\n", "no column path"), ("path,label,path\n", "stand twice")]:
        text(tmp_path / "d.csv", content)
        with pytest.raises(SourceError, match=rf"d.csv:1: .*{words}"):
            list(table(tmp_path, tmp_path / "d.csv", needed=("path", "label")))
