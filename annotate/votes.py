"""What each source says of a face: people, detectors and models, as votes for re-annotation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facedata.annotate.evidence import origin_of
from facedata.annotate.facs import EXPRESSIONS
from facedata.datasets.instructions import Record
from facedata.datasets.sample import Sample

__all__ = ["BLIND", "Answers", "Votes", "expression_votes", "gather", "unit_votes"]

BLIND = ("code-aus", "code-expression")
"""Tasks whose prompts tell nothing of the labels. Answers to others were told them: they cannot confirm what
they were told, and only their contradiction is heeded."""

PRESENT, ABSENT = "present", "absent"


@dataclass
class Votes:
    """Votes on one question: `label` is the row's own, None where it has none; `origin` where that is from.

    `independent` are the votes of detectors and of models that were not told the label, by source; `told`
    those of models that were. `intensities` are detectors' grades, 0-5.
    """

    label: str | None = None
    origin: str = "human"
    independent: dict[str, list[str]] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=dict)
    intensities: list[float] = field(default_factory=list)

    def grounded(self, kinds: Mapping[str, str]) -> bool:
        """Whether anybody but a model says something: without that nothing is asserted."""
        return self.label is not None or any(kinds[source] == "detector" for source in self.independent)


Answers = Mapping[str, Sequence[Record]]
"""Records by sample id."""


def gather(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return usable answers by sample: those of `rules` are the label said again, and count for nothing."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.structured and record.provenance.provider != "rules" and record.status != "blocked":
            found[record.sample_id].append(record)
    return dict(found)


def unit_votes(sample: Sample, answers: Sequence[Record], kinds: dict[str, str]) -> dict[int, Votes]:
    """Return the votes on each action unit that anybody looked for; new sources are added to `kinds`."""
    found: dict[int, Votes] = defaultdict(Votes)
    for au in sample.au_domain or ():
        level = (sample.au or {}).get(au, 0.0)
        found[au].label = PRESENT if level is None or level > 0 else ABSENT
        found[au].origin = origin_of(sample, "au")
    for name, told in _detected(sample).items():
        present = {int(au) for au in told.get("au_present", ())}
        if "au_present" not in told:
            continue  # scores without a threshold of the tool's own say neither yes nor no
        for au in map(int, told.get("au_domain") or ()):
            kinds[f"detector {name}"] = "detector"
            found[au].independent[f"detector {name}"] = [PRESENT if au in present else ABSENT]
            strength = (told.get("au") or {}).get(str(au))
            if au in present and strength:
                found[au].intensities.append(float(strength))
    for record in answers:
        units = record.structured.get("aus")
        if not isinstance(units, list):
            continue
        source = _model(record, kinds)
        said = {unit["au"] for unit in units}
        for au in {*said, *record.structured.get("absent", ())}:
            votes = found[au].independent if record.task in BLIND else found[au].told
            votes.setdefault(source, []).append(PRESENT if au in said else ABSENT)
    return dict(found)


def expression_votes(sample: Sample, answers: Sequence[Record], kinds: dict[str, str]) -> Votes:
    """Return the votes on the shown expression; felt emotions (`attributes.task`, ...) are none."""
    found = Votes()
    if sample.expression in EXPRESSIONS:
        found.label, found.origin = sample.expression, origin_of(sample, "expression")
    for name, told in _detected(sample).items():
        scores = told.get("expression_score") or {}
        best = max(scores, key=lambda one: (scores[one], one), default=None)
        said = told.get("expression") or best
        if said in EXPRESSIONS:
            kinds[f"detector {name}"] = "detector"
            found.independent[f"detector {name}"] = [said]
    for record in answers:
        if (said := record.structured.get("expression")) in EXPRESSIONS:
            votes = found.independent if record.task in BLIND else found.told
            votes.setdefault(_model(record, kinds), []).append(said)
    return found


def _detected(sample: Sample) -> Mapping[str, Mapping[str, Any]]:
    return (sample.attributes or {}).get("detected") or {}


def _model(record: Record, kinds: dict[str, str]) -> str:
    source = f"model {record.provenance.answered_by or record.provenance.model}"
    kinds[source] = "model"
    return source
