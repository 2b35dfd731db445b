"""The check that the medium and the signs that prose names fit what was attacked with.

A pixel lattice does not come from paper, nor ink from a display; a live face shows neither. Signs that any
picture may show (blur, noise, a highlight, a colour cast) are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facedata.annotate.checks.base import Answer, InProse
from facedata.annotate.checks.scan import scan
from facedata.annotate.checks.truth import media_of

__all__ = ["cue_for_species"]


def cue_for_species(answer: Answer, settings: Mapping[str, Any]) -> str | None:
    """Find a medium, or signs of print, display or mask, that do not go with the known species."""
    del settings
    species = answer.evidence.get("attack", {}).get("species")
    if species is None and answer.evidence.get("label", {}).get("value") != "live":
        return None
    media = media_of(species)
    if media is None:
        return None
    for text in answer.texts:
        for mention in scan(text):
            fits = set(str(mention.value).split())
            if mention.kind in ("cue", "medium") and mention.denied is False and fits.isdisjoint(media):
                word = text[mention.start : mention.end]
                media_named = " or ".join(sorted(fits))
                return InProse(
                    f"speaks of {word!r}, which goes with {media_named}; it is {species or 'live'}"
                )
    return ""
