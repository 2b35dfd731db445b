"""The audits that there are, in the order in which they are run and shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facedata.curate.audit.balance import COVERAGE, LABEL_BALANCE
from facedata.curate.audit.base import Audit
from facedata.curate.audit.confounding import CONFOUNDING, GROUP_BALANCE
from facedata.curate.audit.duplicates import EXACT_DUPLICATES
from facedata.curate.audit.estimates import ESTIMATES
from facedata.curate.audit.leakage import SOURCE_LEAKAGE, SUBJECT_LEAKAGE
from facedata.curate.audit.looks import PICTURE_QUALITY, QUALITY_BY_LABEL
from facedata.curate.audit.near import NEAR_DUPLICATES, NEAR_LEAKAGE
from facedata.curate.audit.units import UNIT_BALANCE
from facedata.datasets.errors import UsageError

__all__ = ["AUDITS", "find_audits"]

AUDITS: tuple[Audit[Any], ...] = (
    EXACT_DUPLICATES,
    NEAR_DUPLICATES,
    SUBJECT_LEAKAGE,
    SOURCE_LEAKAGE,
    NEAR_LEAKAGE,
    LABEL_BALANCE,
    COVERAGE,
    CONFOUNDING,
    UNIT_BALANCE,
    GROUP_BALANCE,
    PICTURE_QUALITY,
    QUALITY_BY_LABEL,
    *ESTIMATES,
)


def find_audits(names: Sequence[str] = ()) -> tuple[Audit[Any], ...]:
    """Return the audits of these names in the catalogue's order, all where there are none.

    Raises UsageError that names the unknown ones and what there is.
    """
    known = [audit.name for audit in AUDITS]
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(f"no audit is called {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(audit for audit in AUDITS if not names or audit.name in names)
