"""What a text claims of action units, against their coding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from facedata.annotate.checks.scan import Claim
from facedata.annotate.score.facts import Facts

__all__ = ["Verdict", "present_in", "verdict"]

Verdict = Literal["supported", "contradicted", "unjudged"]


def verdict(claim: Claim, truth: Facts) -> Verdict:
    """Return what the coding says of a claim.

    Of several units that the words may mean, one that agrees is enough, and all of them must be coded and
    disagree to contradict. What was not coded can be neither supported nor contradicted.
    """
    units, coded = {claim.au, *claim.others}, truth.coded or frozenset()
    shows = frozenset(truth.aus or ()) & coded
    agreeing = units & (shows if claim.polarity == "present" else coded - shows)
    if agreeing:
        return "supported"
    return "contradicted" if units <= coded else "unjudged"


def present_in(claims: Iterable[Claim]) -> frozenset[int]:
    """Return the units that are claimed to show.

    Words that may mean several units add none where one of these is claimed by other words.
    """
    made = [claim for claim in claims if claim.polarity == "present"]
    units = {claim.au for claim in made if not claim.others}
    for claim in made:
        if not units & {claim.au, *claim.others}:
            units.add(claim.au)
    return frozenset(units)
