"""What a benchmark found, put into a page of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["write_between"]


def write_between(page: Path, mark: str, text: str) -> None:
    """Put `text` between `<!-- mark -->` and `<!-- /mark -->`; leave with a message where these are not."""
    marks = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    before = page.read_text("utf-8")
    after, found = marks.subn(lambda match: f"{match[1]}{text}\n{match[2]}", before)
    if found != 1:
        raise SystemExit(f"{page} has the marks <!-- {mark} --> ... <!-- /{mark} --> {found} times, not once")
    page.write_text(after, "utf-8")
