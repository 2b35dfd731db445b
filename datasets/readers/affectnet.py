"""AffectNet, both releases: the manually annotated lists in CSV, and annotations in `.npy` files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.expressions import codes_note, finite, whole
from facedata.datasets.readers.sequences import picture_folder
from facedata.datasets.readers.streams import streamed
from facedata.datasets.readers.text import Row, failure, relative
from facedata.datasets.record import Failure

__all__ = ["AffectNet"]

_CODES = {
    0: "neutral",
    1: "happiness",
    2: "sadness",
    3: "surprise",
    4: "fear",
    5: "disgust",
    6: "anger",
    7: "contempt",
    8: None,
    9: None,
    10: None,
}
_NO_EXPRESSION = {8: "none", 9: "uncertain", 10: "non-face"}
_UNKNOWN = -2.0  # valence and arousal of pictures that were given none
_BOX = ("face_x", "face_y", "face_width", "face_height")
_COLUMNS = ("subDirectory_filePath", *_BOX, "facial_landmarks", "expression", "valence", "arousal")
_LISTS = {"training.csv": "train", "validation.csv": "val"}
_LIST_FOLDERS = (".", "Manually_Annotated_file_lists")
_SETS = {"train_set": "train", "val_set": "val"}
_PICTURES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")


class AffectNetChoices(Choices):
    """What the files leave open."""

    release: Literal["csv", "npy"] | None = None
    """Which release to read where both are in the folder: they share pictures."""

    images: str | None = None
    """The folder that the paths of the CSV start from."""


class AffectNet(Reader):
    """Expressions as annotators saw them, with valence and arousal, face box and landmarks.

    Expressions: 0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; 8
    (none), 9 (uncertain) and 10 (non-face) give none, and `attributes.annotation` says which. Pictures that a
    network annotated are not read. FABA and FEA-20K overlap with evaluations built on AffectNet.
    """

    name = "affectnet"
    title = "AffectNet"
    choices = AffectNetChoices
    tree: ClassVar[str] = """\
AffectNet/                                       the CSV release
  training.csv, validation.csv                     subDirectory_filePath,face_x,...,expression,valence,arousal
  Manually_Annotated_Images/1/abc.jpg              the CSV's 1/abc.jpg; or --choose images=FOLDER
AffectNet/                                       the newer release
  {train_set,val_set}/images/12.jpg
  {train_set,val_set}/annotations/12_{exp,val,aro,lnd}.npy"""
    source: ClassVar[str] = """\
Mollahosseini, Hasani and Mahoor, "AffectNet: a database for facial expression, valence, and arousal computing
in the wild", IEEE TAC 2019. Seen in public code: the CSV's columns, the codes, folders and files of the newer
release. From memory: -2 for a valence or arousal that was not given, and where the pictures of the CSV
release lie."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield a picture for each line of the lists, or for each annotated number."""
        places = [(root / folder / name, _LISTS[name]) for name in _LISTS for folder in _LIST_FOLDERS]
        lists = [(path, split) for path, split in places if path.is_file()]
        sets = [(name, split) for name, split in _SETS.items() if (root / name / "annotations").is_dir()]
        if not lists and not sets:
            raise SourceError(
                f"{root} has no training.csv and no train_set; the tree of AffectNet should be\n{self.tree}"
            )
        release = choices.release or ("csv" if lists else "npy")
        if choices.release is None and lists and sets:
            raise UsageError(
                f"{root} holds both releases of AffectNet, which share pictures; choose one: "
                "--choose release=csv or release=npy"
            )
        yield codes_note(self.title, _CODES)
        yield Note(
            "AffectNet: codes 8-10 (none, uncertain, non-face) are in attributes.annotation; valence or "
            "arousal -2 is null; automatically annotated pictures are not read"
        )
        yield Note("AffectNet names no persons; FABA and FEA-20K overlap with evaluations built on it")
        if release == "csv":
            images = picture_folder(root, choices.images, _PICTURES)
            for path, split in lists:
                yield from self._list(root, path, split, images)
        else:
            for name, split in sets:
                yield from self._set(root, name, split)

    def _list(self, root: Path, path: Path, split: str, images: str) -> Iterator[Entry | Failure]:
        for row in streamed(path, relative(root, path), _COLUMNS):
            if isinstance(row, Failure):
                yield row
                continue
            try:
                values = _judged(row["expression"], row["valence"], row["arousal"]) | _located(row)
            except ValueError as error:
                yield failure(row.where, "bad-value", f"{error}; mend the line")
                continue
            values |= {"split": split, "domain": self.name}
            yield Entry(f"{images}/{row['subDirectory_filePath']}", values, where=row.where)

    def _set(self, root: Path, name: str, split: str) -> Iterator[Entry | Failure]:
        for path in sorted((root / name / "annotations").glob("*_exp.npy")):
            number = path.name.removesuffix("_exp.npy")
            where = relative(root, path)
            try:
                words = [_word(path.with_name(f"{number}_{kind}.npy")) for kind in ("exp", "val", "aro")]
                values = _judged(*words)
                if (marks := path.with_name(f"{number}_lnd.npy")).is_file():
                    values["landmarks"] = _pairs(_array(marks).astype(np.float64).ravel().tolist())
            except ValueError as error:
                yield failure(where, "bad-value", f"{error}; get a whole copy")
                continue
            values |= {"split": split, "domain": self.name}
            yield Entry(f"{name}/images/{number}.jpg", values, where=where)


def _judged(expression: str, valence: str, arousal: str) -> dict[str, Any]:
    """Return the fields of a judgement; raise ValueError where a value is outside the convention."""
    code = whole(expression)
    if code is None or code not in _CODES:
        raise ValueError(f"expression {expression!r} is not in 0-10")
    values: dict[str, Any] = {}
    if (shown := _CODES[code]) is not None:
        values["expression"] = shown
    else:
        values["attributes"] = {"annotation": _NO_EXPRESSION[code]}
    for name, text in (("valence", valence), ("arousal", arousal)):
        number = finite(text)
        if number is None or not (-1 <= number <= 1 or number == _UNKNOWN):
            raise ValueError(f"{name} {text!r} is not in [-1, 1], nor -2")
        if number != _UNKNOWN:
            values[name] = number
    return values


def _located(row: Row) -> dict[str, Any]:
    """Return box and landmarks of a line; a cell that is no number, such as NULL, is none."""
    values: dict[str, Any] = {}
    box = [number for name in _BOX if (number := finite(row[name])) is not None]
    if len(box) == 4 and min(box[2:]) > 0:
        values["box"] = tuple(box)
    numbers = [finite(word) for word in row["facial_landmarks"].split(";")]
    if numbers != [None]:
        values["landmarks"] = _pairs([number for number in numbers if number is not None])
    return values


def _pairs(numbers: list[float]) -> tuple[tuple[float, float], ...]:
    if len(numbers) != 136:
        raise ValueError(f"{len(numbers)} numbers where the 136 of 68 landmarks are expected")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _word(path: Path) -> str:
    """Return the one value of an annotation file, which may be stored as text or as a number."""
    array = _array(path)
    if array.size != 1:
        raise ValueError(f"{path.name} holds {array.size} values where one is expected")
    return str(array.reshape(())[()])


def _array(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path.name} cannot be read ({error})") from None
