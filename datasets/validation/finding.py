"""What a validation finds, and where among the rows it belongs."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding", "Found"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `check` is a short stable name, `message` names the thing and the mend."""

    check: str
    message: str
    sample_id: str | None = None


Found = tuple[int, int, Finding]
"""A finding with its row's number and its rank among those of the row: findings are told in this order."""
