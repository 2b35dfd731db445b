"""Shares with their intervals."""

from __future__ import annotations

import math

__all__ = ["share_interval"]

_Z = 1.959963984540054  # of 95 %


def share_interval(count: int, total: int) -> dict[str, float]:
    """Return a share with Wilson's 95 % interval: `{"value", "low", "high", "n"}`, all NaN where n is 0.

    Of independent trials; Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927).
    """
    if not total:
        return {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0}
    share = count / total
    middle = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z / (1 + _Z**2 / total) * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    return {
        "value": share,
        "low": 0.0 if count == 0 else middle - half,
        "high": 1.0 if count == total else middle + half,
        "n": total,
    }
