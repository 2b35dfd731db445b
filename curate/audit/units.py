"""Action units: how many rows show each, how many were coded without it, and how many were not coded."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.grouping import percent

__all__ = ["UNIT_BALANCE", "UnitThresholds", "unit_balance"]


class UnitThresholds(Thresholds):
    """How many rows and persons a unit needs on either side."""

    rows: int = Field(50, ge=1, description="rows that a unit needs, with it and without it")
    persons: int = Field(5, ge=1, description="persons who are needed to show a unit")


def unit_balance(rows: Rows, thresholds: UnitThresholds) -> Outcome:
    """Count each action unit that was coded anywhere.

    A unit of `au_domain` that `au` leaves out, or has at 0, is absent; a unit that is not in `au_domain` was
    not coded, which says nothing about the face.
    """
    frame = rows.frame
    events = []
    for row, (units, coded) in enumerate(zip(frame["au"], frame["au_domain"], strict=True)):
        units = units or {}
        for unit in set(units) | set(coded or ()):
            level = units.get(unit, 0.0)
            events.append((row, unit, level is None or level > 0))
    if not events:
        return Outcome("skipped", "no row has coded action units")
    table = pd.DataFrame(events, columns=["row", "unit", "shown"])
    person = frame["person"].where(frame["person"].notna(), frame["family"])
    table["person"] = person.to_numpy()[table["row"]]
    shown = table[table["shown"]]
    counts = pd.DataFrame({"coded": table.groupby("unit").size()})
    counts["with"] = shown.groupby("unit").size().reindex(counts.index, fill_value=0)
    counts["without"] = counts["coded"] - counts["with"]
    counts["not coded"] = len(frame) - counts["coded"]
    counts["persons"] = shown.groupby("unit")["person"].nunique().reindex(counts.index, fill_value=0)
    ids = frame["sample_id"].to_numpy()
    findings = []
    for unit, one in counts.iterrows():
        lacks = [f"{one[side]} rows {side} it" for side in ("with", "without") if one[side] < thresholds.rows]
        if one["persons"] < thresholds.persons:
            lacks.append(f"{one['persons']} persons who show it")
        if lacks:
            where = shown.loc[shown["unit"] == unit, "row"].to_numpy(np.int64)
            findings.append(Finding(tuple(ids[where]), f"AU{unit}: {', '.join(lacks)}", float(-one["with"])))
    poor = [finding.detail.partition(":")[0] for finding in findings]
    known = float(frame["au_domain"].notna().mean())
    said = f"{len(counts)} units are coded, in {percent(known)} of the rows with a stated domain; "
    said += f"too few rows or persons of {', '.join(poor)}" if poor else "each has enough rows and persons"
    return Outcome(
        "warn" if poor else "pass",
        said,
        numbers={"units": {f"AU{unit}": dict(one) for unit, one in counts.iterrows()}},
        findings=sorted(findings, key=lambda one: -one.score),
        tables={"units": counts.rename_axis("AU").reset_index()},
    )


UNIT_BALANCE = Audit(
    name="unit-balance",
    title="Balance of action units",
    about="Rows with and without each action unit, and rows where it was not coded. Of a unit that few "
    "persons show, a model learns the persons.",
    run=unit_balance,
    thresholds=UnitThresholds,
    source="Girard et al., How much training data for facial action unit detection?, FG 2015",
)
