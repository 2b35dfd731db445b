"""Text that came from a file, as one plain line: this imports nothing, so any error may use it."""

from __future__ import annotations

__all__ = ["in_markdown", "printable"]


def printable(text: str) -> str:
    """Return a text on one line: control characters, such as a newline in a file name, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def in_markdown(text: str) -> str:
    """Return text that Markdown and HTML show as it is: names come from files and may hold anything."""
    plain = printable(text)
    for character in "\\`*_[]|<>#":
        plain = plain.replace(character, f"&#{ord(character)};")
    return plain
