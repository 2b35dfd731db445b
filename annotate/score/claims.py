"""What a text claims of action units, against their coding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

from facedata.annotate.score.facts import Facts

__all__ = ["ClaimLike", "Parser", "Verdict", "present_in", "verdict"]

Verdict = Literal["supported", "contradicted", "unjudged"]


class ClaimLike(Protocol):
    """A claim as the claim parser gives it: `others` are units that the same words may mean."""

    @property
    def au(self) -> int:
        """The action unit."""

    @property
    def polarity(self) -> Literal["present", "absent"]:
        """Whether it is said to show."""

    @property
    def others(self) -> tuple[int, ...]:
        """Units that the same words may mean as well."""


Parser = Callable[[str], Sequence[ClaimLike]]


def verdict(claim: ClaimLike, truth: Facts) -> Verdict:
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


def present_in(claims: Iterable[ClaimLike]) -> frozenset[int]:
    """Return the units that are claimed to show."""
    return frozenset(claim.au for claim in claims if claim.polarity == "present")
