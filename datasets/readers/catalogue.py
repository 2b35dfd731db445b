"""The readers by the names that `facedata ingest` calls them; each module is imported when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facedata.datasets.readers.base import Reader

__all__ = ["READERS", "open_reader"]

READERS = {
    "oulu-npu": "OuluNpu",
    "casia-fasd": "CasiaFasd",
    "replay-attack": "ReplayAttack",
    "msu-mfsd": "MsuMfsd",
    "siw": "Siw",
    "celeba-spoof": "CelebASpoof",
    "hq-wmca": "HqWmca",
    "casia-surf": "CasiaSurf",
    "hifimask": "HiFiMask",
    "uniattackdata": "UniAttackData",
    "aff-wild2": "AffWild2",
    "affectnet": "AffectNet",
    "bp4d": "Bp4d",
    "ck-plus": "CkPlus",
    "disfa": "Disfa",
    "emotionet": "EmotioNet",
    "fer2013": "Fer2013",
    "ferplus": "FerPlus",
    "raf-au": "RafAu",
    "raf-db": "RafDb",
}
"""Reader by reader: its name, and its class. The module has the name, with `_` for `-`."""


def open_reader(name: str) -> Reader:
    """Return the reader of that name, a key of READERS."""
    module = importlib.import_module(f"facedata.datasets.readers.{name.replace('-', '_')}")
    reader: Reader = getattr(module, READERS[name])()
    return reader
