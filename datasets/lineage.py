"""The history that a record carries: every dataset above it, each once.

Ancestors are keyed by a hash of what made them (version, verb, seed, parameters, parents' keys), not by their
version alone: an edit that is taken back gives the first version again, and the two are still two steps. A
history is bounded: the nearest ancestors keep their parameters, those above them a hash, and those beyond
`MOST_ANCESTORS` are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from facedata.datasets.canonical import canonical_json, identifier
from facedata.datasets.dataset import Dataset
from facedata.datasets.record import Ancestor, Parent, Record

__all__ = ["MOST_ANCESTORS", "Origin", "ancestry", "lineage_key"]

MOST_ANCESTORS = 256
_PARAMETER_BYTES = 256 << 10  # of all ancestors together: a policy of thirty chains takes ten thousand


@dataclass(frozen=True, slots=True)
class Origin:
    """A dataset as an input: the name of its folder, and its record."""

    name: str
    record: Record

    @classmethod
    def of(cls, dataset: Dataset) -> Origin:
        """Return the dataset as an input."""
        return cls(dataset.root.resolve().name, dataset.record)


def lineage_key(record: Record | Ancestor) -> str:
    """Return the key of a dataset among ancestors, 32 hexadecimal digits."""
    return identifier(
        *("lineage", record.version, record.verb, record.seed, _parameters_hash(record)),
        [[parent.version, parent.lineage] for parent in record.parents],
    )


def ancestry(origins: Sequence[Origin]) -> tuple[list[Parent], dict[str, Ancestor]]:
    """Return the parents and the ancestors, nearest first, of a dataset made from `origins`."""
    parents, known = [], {}
    for origin in origins:
        key = lineage_key(origin.record)
        parents.append(Parent(name=origin.name, version=origin.record.version, lineage=key))
        known[key] = _ancestor(origin.record)
        for above, ancestor in origin.record.ancestors.items():
            # Of a dataset that is reached on two ways, one record may have kept the parameters still.
            if known.get(above) is None or known[above].parameters is None:
                known[above] = ancestor
    return parents, _bounded(parents, known)


def _bounded(parents: Sequence[Parent], known: dict[str, Ancestor]) -> dict[str, Ancestor]:
    kept: dict[str, Ancestor] = {}
    left = _PARAMETER_BYTES
    waiting = deque(parent.lineage for parent in parents)
    while waiting and len(kept) < MOST_ANCESTORS:
        key = waiting.popleft()
        if key is None or key in kept or key not in known:
            continue
        ancestor = known[key]
        size = len(canonical_json(ancestor.parameters))
        if size > left:
            ancestor = ancestor.model_copy(update={"parameters": None})
        else:
            left -= size
        kept[key] = ancestor
        waiting.extend(parent.lineage for parent in ancestor.parents)
    return kept


def _ancestor(record: Record) -> Ancestor:
    return Ancestor(
        version=record.version,
        verb=record.verb,
        seed=record.seed,
        parameters=record.parameters,
        parameters_hash=_parameters_hash(record),
        parents=record.parents,
        rows=record.counts.rows,
        by_label=record.counts.by_label,
        libraries=record.libraries,
    )


def _parameters_hash(record: Record | Ancestor) -> str:
    if isinstance(record, Ancestor):
        return record.parameters_hash
    return identifier("parameters", record.parameters)
