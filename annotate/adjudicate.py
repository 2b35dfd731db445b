"""One label from several that may disagree: Bayes' rule with each source's confusions.

    P(c | votes)  ~  prior(c)  prod_s  prod_draws theta_s(c, vote)^(1 / draws)

theta_s(c, l) is how often source s says l where c is so (Dawid and Skene, *Applied Statistics* 28, 1979),
with sources independent given the truth. It is counted where a reference is known and pulled towards a stated
reliability: theta = (n_cl + M t_cl) / (n_c + M), t with the stated share of right answers on the diagonal and
the rest spread evenly. So a source of which nothing is known counts as stated, and one with hundreds of
references as it did. Dawid and Skene's own estimation without references (EM) is left out on purpose: with
two or three sources it may settle on the wrong one.

Draws of one model share its mistakes. They count together as one vote (the limit of full correlation), not as
many: asking again makes nobody surer than the model deserves.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["PULL", "STATED", "Reliability", "posterior"]

STATED = {"human": 0.95, "detector": 0.75, "model": 0.6}
"""Shares of right answers that sources of a kind are taken to have, before any of theirs was counted.

People: FACS's final test asks for an agreement of .70 (twice what both coded, over all that each coded; from
memory). With a fifth of the decisions positive, two coders then differ in 2 x .2 x .3 = .12 of them, so each
is wrong in about .06. Detectors and models: below what is published for the good ones (a general model of 4
billion parameters reached an F1 of .38 on DISFA), so that what is not known counts little.
"""

PULL = 10.0
"""M: references that a stated reliability weighs as much as."""


@dataclass
class Reliability:
    """Confusions of sources over some classes: what each said where a reference is known.

    `kinds` maps a source to `human`, `detector` or `model`.
    """

    classes: Sequence[str]
    kinds: Mapping[str, str]
    stated: Mapping[str, float] = field(default_factory=lambda: STATED)
    _counts: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))

    def count(self, source: str, reference: str, votes: Sequence[str], weight: float = 1.0) -> None:
        """Add what a source said of one sample; its draws count as one together."""
        for vote in votes:
            self._counts[source, reference, vote] += weight / len(votes)

    def references(self, source: str) -> float:
        """Return the number of samples on which the source was compared with a reference."""
        return sum(count for (name, _, _), count in self._counts.items() if name == source)

    def theta(self, source: str, true: str, said: str) -> float:
        """Return the probability that the source says `said` where `true` is so."""
        right = self.stated[self.kinds[source]]
        expected = right if true == said else (1 - right) / (len(self.classes) - 1)
        seen = sum(self._counts.get((source, true, other), 0.0) for other in self.classes)
        return (self._counts.get((source, true, said), 0.0) + PULL * expected) / (seen + PULL)


def posterior(
    votes: Mapping[str, Sequence[str]], reliability: Reliability, prior: Mapping[str, float]
) -> dict[str, float]:
    """Return the probability of each class, by the votes of each source (one, or one for each draw).

    >>> sure = Reliability(("absent", "present"), {"ada": "human"}, {"human": 0.9})
    >>> posterior({"ada": ["present"]}, sure, {"absent": 0.5, "present": 0.5})["present"]
    0.9
    """
    logs = {}
    for name in reliability.classes:
        logs[name] = math.log(prior[name]) + sum(
            math.log(reliability.theta(source, name, vote)) / len(said)
            for source, said in votes.items()
            for vote in said
        )
    highest = max(logs.values())
    shares = {name: math.exp(log - highest) for name, log in logs.items()}
    total = sum(shares.values())
    return {name: round(share / total, 12) for name, share in shares.items()}
