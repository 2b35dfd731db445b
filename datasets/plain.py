"""Text that came from a file, as one plain line: this imports nothing, so any error may use it."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """Return a text on one line: control characters, such as a newline in a file name, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
