"""HQ-WMCA: recordings named by number, split by protocol lists; HDF5, videos or folders of frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import PictureError, SourceError, UsageError
from facedata.datasets.pictures import eight_bits
from facedata.datasets.readers.base import Choices, Entry, Note, Reader
from facedata.datasets.readers.text import Row, failure, relative, table
from facedata.datasets.readers.tree import files
from facedata.datasets.record import Failure

__all__ = ["HqWmca", "Recording", "open_recording"]

_NAME = re.compile(r"(\d+)_(\d+)_(\d+)_(\d+)_(\d\d)_(\d+)")
_SPLITS = {"train": "train", "dev": "val", "eval": "test"}
_TYPES = {
    "00": (None, "bona fide"),
    "01": ("partial/glasses", "glasses"),
    "02": ("mask/mannequin", "mannequin"),
    "03": ("print", "print"),
    "04": ("replay", "replay"),
    "05": ("mask/rigid", "rigid mask"),
    "06": ("mask/flexible", "flexible mask"),
    "07": ("mask/paper", "paper mask"),
    "08": ("partial/wig", "wig"),
    "09": ("partial/tattoo", "tattoo"),
    "10": ("partial/makeup", "makeup"),
}
_ENDINGS = (".hdf5", ".h5", ".mov", ".mp4", ".avi")
_PICTURES = {".png", ".jpg", ".jpeg"}
_FRAME = re.compile(r"Frame_(\d+)")


class HqWmcaChoices(Choices):
    """Which recordings to read."""

    protocol: str = "grand_test-curated"
    """The list PROTOCOL-<protocol>.csv to read."""


class HqWmca(Reader):
    """The recordings of one protocol list; a recording's type is in its name."""

    name = "hq-wmca"
    title = "HQ-WMCA"
    choices = HqWmcaChoices
    opener = "facedata.datasets.readers.hq_wmca:open_recording"
    tree: ClassVar[str] = """\
HQ-WMCA/
  PROTOCOL-grand_test-curated.csv      header video_name,...,subset; subset train, dev or eval
  <folder>/<site>_<session>_<client>_<presenter>_<type>_<subtype>.hdf5    Frame_0/array: planes, height, width
    or <same name>.{mov,mp4,avi}, or a folder of that name with a picture a frame
  type 00 bona fide, 01 glasses, 02 mannequin, 03 print, 04 replay, 05 rigid mask, 06 flexible mask,
    07 paper mask, 08 wigs, 09 tattoo, 10 makeup"""
    source: ClassVar[str] = """\
Mostaani et al., "The high-quality wide multi-channel attack (HQ-WMCA) database", 2020 (arXiv 2009.09703).
Seen in public code: names, types, list, groups of the HDF5 files. From memory: that three planes are red,
green, blue. Plain WMCA has another layout and was not checked."""

    def read(self, root: Path, choices: Any) -> Iterator[Entry | Note | Failure]:
        """Yield the recordings of the protocol's list."""
        path = root / f"PROTOCOL-{choices.protocol}.csv"
        if not path.is_file():
            have = ", ".join(sorted(relative(root, found) for found in root.glob("PROTOCOL-*.csv"))) or "none"
            raise SourceError(
                f"{root} holds no {path.name} (lists there: {have}); choose one with --choose protocol=NAME"
            )
        yield Note("labels: the fifth number of a name: 00 is bona fide, 01-10 are attacks")
        places = {str(file.with_suffix("")): str(file) for file in reversed([*files(root, set(_ENDINGS))])}
        for row in table(root, path, needed=("video_name", "subset")):
            if isinstance(row, Failure):
                yield row
            else:
                yield from self._recording(root, row, places)

    def _recording(self, root: Path, row: Row, places: Mapping[str, str]) -> Iterator[Entry | Failure]:
        name = PurePosixPath(row["video_name"].replace("\\", "/"))
        name = name.with_suffix("") if name.suffix in _ENDINGS else name
        values = self._meaning(name.name, row["subset"])
        if isinstance(values, str):
            yield failure(row.where, "bad-label", values)
            return
        file = places.get(str(name))
        if file is not None:
            if file.endswith((".hdf5", ".h5")) and find_spec("h5py") is None:
                raise UsageError(
                    f"{row.where}: {file} is HDF5, which needs h5py: pip install h5py, or write the "
                    "recordings as videos or folders of frames"
                )
            yield Entry(file, values, where=row.where)
        elif ".." not in name.parts and not name.is_absolute() and (root / name).is_dir():
            for picture in files(root / name, _PICTURES):
                yield Entry(f"{name}/{picture}", values, where=row.where)
        else:
            yield Entry(f"{name}.hdf5", values, where=row.where)

    def _meaning(self, name: str, subset: str) -> dict[str, Any] | str:
        match = _NAME.fullmatch(name)
        if match is None or match[5] not in _TYPES:
            return f"{name} is not site_session_client_presenter_type(00-10)_subtype; mend the list"
        if subset not in _SPLITS:
            return f"subset {subset!r} is not train, dev or eval; mend the list"
        site, session, client, presenter, kind, subtype = match.groups()
        attack, title = _TYPES[kind]
        attributes = {"site": site, "session": session, "presenter": presenter, "subtype": subtype}
        values: dict[str, Any] = {
            "domain": self.name,
            "subject": self.subject(client),
            "split": _SPLITS[subset],
            "label": "live" if attack is None else "spoof",
        }
        if attack is not None:
            values["attack"], attributes["instrument"] = attack, title
        return {**values, "attributes": attributes}


class Recording:
    """An open recording: groups `Frame_<n>`, each with `array`, planes x height x width, 8 or 16 bits.

    One plane is grey, three are red, green and blue; of more the file does not say which are the colours.
    """

    apart = False

    def __init__(self, groups: Mapping[str, Any], name: str, max_pixels: int) -> None:
        self.name = name
        self.max_pixels = max_pixels
        self._groups = groups
        matches = (_FRAME.fullmatch(key) for key in groups)
        self._keys = {int(match[1]): match[0] for match in matches if match}

    def numbers(self) -> Sequence[int]:
        """Return the frames that there are."""
        return sorted(self._keys)

    def read(
        self, wanted: Callable[[int], bool], last: int | None
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the wanted frames; see FrameFile."""
        if not self._keys:
            raise PictureError("damaged", f"{self.name}: holds no group Frame_0; get a whole copy")
        for number in self.numbers():
            if (last is None or number <= last) and wanted(number):
                yield number, self._frame(number)

    def _frame(self, number: int) -> NDArray[np.uint8]:
        array = np.asarray(self._groups[self._keys[number]]["array"])
        place = f"{self.name} frame {number}"
        if array.ndim != 3 or array.shape[0] not in (1, 3):
            raise PictureError(
                "unsupported",
                f"{place}: {'x'.join(map(str, array.shape))} is neither one grey plane nor red, green and "
                "blue; write out the planes that are wanted",
            )
        if array.shape[1] * array.shape[2] > self.max_pixels:
            raise PictureError("too-large", f"{place}: over the limit of pixels; raise --max-pixels")
        planes = np.moveaxis(eight_bits(array, place), 0, 2)
        return np.ascontiguousarray(np.broadcast_to(planes, (*planes.shape[:2], 3)))


def open_recording(path: Path, name: str, max_pixels: int) -> Recording:
    """Open an HDF5 file of frames, or raise PictureError."""
    import h5py  # no dependency of facedata: the reader asked for it before

    try:
        return Recording(h5py.File(path, "r"), name, max_pixels)
    except OSError as error:
        raise PictureError(
            "damaged", f"{name}: no HDF5 that can be read ({error}); get a whole copy"
        ) from None
