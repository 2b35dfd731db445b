"""The audits that rest on a model or an estimate, in the order in which they are run and shown."""

from __future__ import annotations

from typing import Any

from facedata.curate.audit.anchors import ANCHORS
from facedata.curate.audit.annotators import ANNOTATORS
from facedata.curate.audit.base import Audit
from facedata.curate.audit.domains import DOMAINS
from facedata.curate.audit.felt import FELT
from facedata.curate.audit.groups import GROUPS
from facedata.curate.audit.noise import LABEL_NOISE
from facedata.curate.audit.shortcut import SHORTCUT
from facedata.curate.audit.spectra import SPECTRA
from facedata.curate.audit.unknown import UNKNOWN

__all__ = ["ESTIMATES"]

ESTIMATES: tuple[Audit[Any], ...] = (
    SHORTCUT,
    LABEL_NOISE,
    UNKNOWN,
    DOMAINS,
    SPECTRA,
    GROUPS,
    ANCHORS,
    FELT,
    ANNOTATORS,
)
