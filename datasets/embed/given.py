"""Embeddings that were made elsewhere: a file of vectors, by rows or by sample ids."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.parquet import read_table

__all__ = ["read_embeddings"]

_FORMS = (
    ".npy (n x d, a row for each row of samples.parquet), .npz (sample_id, embeddings) "
    "or .parquet (sample_id, embedding)"
)
_NAMED = 5  # missing ids that are named


_UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, TokenError, BadZipFile, zlib.error, LZMAError),
    *(
        pa.ArrowException,
        NotImplementedError,
        RuntimeError,
    ),  # an odd or locked archive
)
_MOST_TIMES, _SMALL = 50, 256 << 20  # vectors of numbers hardly pack: to a half, if at all


def read_embeddings(path: Path, sample_ids: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of the samples, float32 n x d, in the order of `sample_ids`.

    A vector that holds NaN or infinity becomes NaN as a whole. Raises SourceError where the file cannot be
    read, and UsageError where it is not of these samples: another number of rows, or ids that are missing.
    """
    readers = {".npy": _npy, ".npz": _npz, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"--embeddings {path}: unknown type {path.suffix!r}; give {_FORMS}")
    try:
        vectors, ids = reader(path)
    except FileNotFoundError:
        raise SourceError(f"--embeddings {path} is missing; give {_FORMS}") from None
    except _UNREADABLE as error:
        raise SourceError(f"--embeddings {path} cannot be read ({error}); give {_FORMS}") from None
    if vectors.ndim != 2 or not vectors.shape[1] or vectors.dtype.kind not in "fiu":
        raise UsageError(
            f"--embeddings {path} holds {vectors.dtype} values of the shape {vectors.shape}; numbers of the "
            "shape n x d are expected"
        )
    if ids is None:
        if len(vectors) != len(sample_ids):
            raise UsageError(
                f"--embeddings {path} has {len(vectors)} rows and the dataset {len(sample_ids)}: they are "
                "of another version; make them anew, or give .npz or .parquet with sample_id"
            )
        chosen = vectors
    else:
        chosen = vectors[_places(path, ids, sample_ids)]
    found = np.array(chosen, np.float32)  # a copy: of a file that is mapped, and to be written to
    found[~np.isfinite(found).all(axis=1)] = np.nan
    if len(found) and np.isnan(found).all():
        raise UsageError(f"--embeddings {path} holds no vector without NaN; make them anew")
    return found


def _places(path: Path, ids: Sequence[Any], sample_ids: Sequence[str]) -> NDArray[np.int64]:
    place = {str(one): row for row, one in enumerate(ids)}
    if len(place) != len(ids):
        raise UsageError(f"--embeddings {path}: {len(ids) - len(place)} ids stand in it twice; make it anew")
    missing = [one for one in sample_ids if one not in place]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise UsageError(
            f"--embeddings {path} lacks {len(missing)} of {len(sample_ids)} samples: "
            f"{', '.join(missing[:_NAMED])}{more}; make embeddings of this version"
        )
    return np.fromiter((place[one] for one in sample_ids), np.int64, len(sample_ids))


_Vectors = tuple[NDArray[Any], Sequence[Any] | None]


def _npy(path: Path) -> _Vectors:
    found = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError("it is an archive; name it .npz")
    return found, None


def _refuse_bomb(path: Path) -> None:
    """Refuse a ZIP archive of a few bytes that unpacks to more than memory holds."""
    with ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > max(_MOST_TIMES * path.stat().st_size, _SMALL):
        raise ValueError(f"it unpacks to {size / 1e9:.1f} GB from {path.stat().st_size / 1e6:.1f} MB")


def _npz(path: Path) -> _Vectors:
    _refuse_bomb(path)
    with np.load(path, allow_pickle=False) as file:
        if not {"sample_id", "embeddings"} <= set(file.files):
            raise ValueError(f"it holds {', '.join(sorted(file.files))}")
        vectors, ids = file["embeddings"], file["sample_id"]
    if len(vectors) != len(ids):
        raise ValueError(f"{len(vectors)} embeddings and {len(ids)} ids")
    return vectors, ids.tolist()


def _parquet(path: Path) -> _Vectors:
    table = read_table(path, ["sample_id", "embedding"])
    column = table["embedding"].combine_chunks()
    lists = column.cast(pa.large_list(pa.float32()))
    lengths = np.diff(lists.offsets.to_numpy())
    if lists.null_count or len(set(lengths.tolist())) > 1:
        raise ValueError("the vectors are not all of one length")
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(table), -1), table["sample_id"].to_pylist()
