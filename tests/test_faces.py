"""Face detectors, and what is cut by their boxes."""

from __future__ import annotations

import cv2
import numpy as np
import onnx_twins
import pytest

from facedata.datasets.dataset import Dataset
from facedata.datasets.demo import demo_face
from facedata.datasets.engine import Options, run
from facedata.datasets.entries import Setting
from facedata.datasets.errors import PictureError, UsageError
from facedata.datasets.faces import Face, largest, open_detector
from facedata.datasets.framing import Framing, in_pixels
from facedata.datasets.pictures import Encoding
from facedata.datasets.reader_source import ReaderSource
from facedata.datasets.readers.base import Entry
from facedata.datasets.readers.catalogue import open_reader
from facedata.datasets.task import Ingest

RED, BLUE = (255, 0, 0), (0, 0, 255)


def share_in_common(one, other):
    """The intersection of two boxes over their union."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(0, width) * max(0, height)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


@pytest.mark.parametrize("person", range(6))
def test_the_cascade_finds_a_rendered_face_where_it_is(person):
    face = demo_face(person, 0, 256, 0)
    found = largest(open_detector("cascade").detect(face.image))
    # A cascade's box is a square of brows to chin, which the box of the whole head need not be.
    assert share_in_common(found.box, face.box) > 0.5


def test_a_large_picture_is_detected_on_small_and_its_boxes_are_its_own():
    """Each pixel of a 640-pixel picture made four: reduced again it is the same, so boxes double."""
    small = cv2.resize(demo_face(0, 0, 256, 0).image, (640, 640))
    detector = open_detector("cascade")
    boxes = np.array([face.box for face in detector.detect(small)])
    assert len(boxes)
    twice = [face.box for face in detector.detect(np.kron(small, np.ones((2, 2, 1), np.uint8)))]
    assert np.array_equal(twice, 2 * boxes)


def test_the_cascade_finds_no_face_in_a_plain_wall():
    assert open_detector("cascade").detect(np.full((100, 80, 3), 130, np.uint8)) == []


def test_the_largest_face_is_the_one_that_is_meant():
    faces = [Face((0, 0, 10, 10)), Face((50, 0, 20, 8)), Face((9, 9, 3, 3), 0.99)]
    assert largest(faces) is faces[1]
    assert largest([]) is None


def test_a_network_of_scores_and_boxes(tmp_path):
    """The second quadrant is red: its box in the picture's pixels, and its score (255 - 127) / 128 = 1."""
    (tmp_path / "q.onnx").write_bytes(onnx_twins.quadrants())
    detector = open_detector(f"{tmp_path}/q.onnx@8x8")
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:20, 40:] = RED
    pixels[20:, :40] = BLUE
    (face,) = detector.detect(pixels)
    assert face.box == pytest.approx((40, 0, 40, 20))
    assert face.score == pytest.approx(1, abs=0.01)
    assert face.landmarks is None
    assert detector.name.startswith("q.onnx ")


@pytest.mark.parametrize(("side", "scale"), [(64, 1), (640, 2)], ids=["as it is", "reduced to 640 pixels"])
def test_yunet(tmp_path, side, scale):
    """A red cell at column 3, row 1 of the 8-pixel grid: a box of twice its side around (28, 12)."""
    (tmp_path / "y.onnx").write_bytes(onnx_twins.yunet())
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[8:16, 24:32] = RED
    pixels[40:48, 40:48] = BLUE
    pixels = np.kron(pixels, np.ones((scale, scale, 1), np.uint8))
    (face,) = open_detector(str(tmp_path / "y.onnx")).detect(pixels)
    assert face.box == pytest.approx([scale * value for value in (20, 4, 16, 16)], abs=1e-3)
    assert face.score == pytest.approx(1, abs=1e-3)
    assert np.allclose(face.landmarks, [(28 * scale, 12 * scale)] * 5, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "suffix", "words"),
    [
        (None, "", "neither cascade nor the path of an ONNX file"),
        (b"no network", "", "cannot load it as ONNX"),
        (onnx_twins.other(), "", "outputs faces follow no convention"),
        (onnx_twins.quadrants(), "", r"state the size of its input, such as .*@320x240"),
    ],
)
def test_detectors_that_cannot_be_are_refused(tmp_path, capfd, content, suffix, words):
    path = tmp_path / "d.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        open_detector(f"{path}{suffix}")


def test_a_framing_is_told_by_its_record(tmp_path):
    (tmp_path / "q.onnx").write_bytes(onnx_twins.quadrants())
    (tmp_path / "other.onnx").write_bytes(onnx_twins.yunet())
    network = f"{tmp_path}/q.onnx@8x8"
    for framing in (
        Framing(),
        Framing(stride=3, frames=7, crop="box", margin=0.1, faceless="whole", encoding=Encoding("jpeg", 80)),
        Framing(crop="detect"),
        Framing(crop="detect", detector=network),
    ):
        record = {"kind": "siw", "input": "siw", **framing.settings()}
        assert Framing.stated(record, framing.detector) == framing
    with pytest.raises(UsageError, match=r"detected by 'q.onnx .*', not by 'other.onnx"):
        Framing.stated(record, str(tmp_path / "other.onnx"))


def test_box_and_landmarks_move_with_the_cut():
    pixels = np.arange(40 * 60 * 3, dtype=np.uint16).reshape(40, 60, 3).astype(np.uint8)
    values = {"box": (20, 10, 10, 20), "landmarks": ((22, 15), (28, 15.5)), "label": "live"}
    view = Framing(crop="box", margin=0.5).cut(pixels, values, "p")
    # Half of 10 on the left and right, half of 20 above (up to the edge) and below.
    assert view.pixels.shape == (40, 20, 3)
    assert np.array_equal(view.pixels, pixels[0:40, 15:35])
    assert view.values == {"box": (5, 10, 10, 20), "landmarks": ((7, 15), (13, 15.5)), "label": "live"}
    assert view.cut == "cut 15,0 20x40 of 60x40 (box, margin 0.5)"


@pytest.mark.parametrize("box", [None, (70, 5, 10, 10), (-30, 5, 10, 10)])
def test_a_picture_without_a_box_inside_it_is_a_failure_or_stays_whole(box):
    pixels = np.zeros((40, 60, 3), np.uint8)
    values = {} if box is None else {"box": box}
    with pytest.raises(PictureError, match="--faceless whole") as caught:
        Framing(crop="box", margin=0).cut(pixels, values, "p")
    assert caught.value.kind == "no-face"
    view = Framing(crop="box", margin=0, faceless="whole").cut(pixels, values, "p")
    assert view.pixels is pixels
    assert view.values == values
    assert view.cut.startswith("not cut: ")


def test_boxes_of_another_frame_are_scaled_to_the_picture():
    values = {"box": [56, 112, 28, 56], "landmarks": [[224, 0]], "box_in": [224, 224]}
    assert in_pixels(values, 448, 112) == {"box": (112, 56, 56, 28), "landmarks": ((448, 0),)}
    assert in_pixels({"box": [0.25, 0.5, 0.1, 0.2], "box_in": (1, 1)}, 200, 100)["box"] == (50, 50, 20, 20)


def test_faces_are_detected_and_cut_in_a_run(tmp_path):
    (tmp_path / "y.onnx").write_bytes(onnx_twins.yunet())
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[8:16, 24:32] = RED
    cv2.imwrite(str(tmp_path / "face.png"), pixels[:, :, ::-1])
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((64, 64, 3), 20, np.uint8))
    framing = Framing(crop="detect", margin=0.25, detector=str(tmp_path / "y.onnx"))
    said = [
        Entry("face.png", {"label": "live", "attributes": {"take": 1}}),
        Entry("wall.png", where="l.txt:2"),
    ]
    source = ReaderSource(said, Setting(str(tmp_path), framing=framing), open_reader("siw"))
    result = run("ingest", Ingest(framing.settings()), source, tmp_path / "out", None, Options())
    (sample,) = Dataset.open(tmp_path / "out")
    # The box 20,4 16x16 with a quarter of 16 on each side: 16,0 24x24.
    assert (sample.width, sample.height, sample.box) == (24, 24, (4, 4, 16, 16))
    assert sample.landmarks == ((12, 12),) * 5
    name = framing.settings()["detector"]
    assert name.startswith("y.onnx ")
    assert sample.attributes == {"take": 1, "face_detector": name, "face_score": 1.0}
    assert sample.source.conversion == f"cut 16,0 24x24 of 64x64 ({name} face, margin 0.25), to png"
    (failure,) = result.record.failures
    assert failure.reason.startswith("l.txt:2: wall.png: ")
    assert failure.kind == "no-face"
    assert str(tmp_path) not in (tmp_path / "out/dataset.json").read_text()  # no row depends on a path
