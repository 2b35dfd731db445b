"""Balance and coverage: what there is enough of, what is missing, and what gives the label away."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds, Verdict
from facedata.curate.audit.grouping import percent, worst

__all__ = [
    "COVERAGE",
    "LABEL_BALANCE",
    "BalanceThresholds",
    "CoverageThresholds",
    "coverage",
    "label_balance",
]

_NO_SPLIT = "no split"


class BalanceThresholds(Thresholds):
    """How rare a class may be."""

    warn: float = Field(0.2, ge=0, le=0.5, description="share of the rarer of live and spoof in a split")
    fail: float = Field(0.02, ge=0, le=0.5, description="share of the rarer of live and spoof in a split")
    expression_warn: float = Field(
        0.1, ge=0, le=1, description="rows of the rarest expression over those of the most frequent one"
    )
    unlabelled_warn: float = Field(0.1, ge=0, le=1, description="share of rows without a label")


class CoverageThresholds(Thresholds):
    """How many rows a cell needs."""

    least: int = Field(10, ge=1, description="rows that a cell of the table needs to count as covered")


def label_balance(rows: Rows, thresholds: BalanceThresholds) -> Outcome:
    """Count labels in every split, and expressions.

    A split that lacks live or spoof cannot be trained on or scored (of a dataset that is all live by design,
    labels are not compared); a rare class makes error rates coarse: of
    n presentations without an error, the rate may still be 3 / n (the rule of three).
    """
    frame = rows.frame
    verdicts: list[Verdict] = []
    said: list[str] = []
    numbers: dict[str, Any] = {}
    tables: dict[str, pd.DataFrame] = {}
    labels = frame["label"].dropna().unique()
    if len(labels) > 1:
        table = _by_split(frame, "label", ("live", "spoof"))
        minority = table[["live", "spoof"]].min(axis=1) / table[["live", "spoof"]].sum(axis=1)
        table["rarer"] = minority
        tables["labels"] = table.reset_index()
        place = int(np.nanargmin(minority))
        rarest, share = str(table.index[place]), float(minority.iloc[place])
        numbers["rarer_share"] = {str(name): float(one) for name, one in minority.items()}
        verdicts.append("fail" if share < thresholds.fail else "warn" if share < thresholds.warn else "pass")
        rarer = "live" if table["live"].iloc[place] < table["spoof"].iloc[place] else "spoof"
        said.append(f"{percent(share)} of {'all' if rarest == _NO_SPLIT else rarest} are {rarer}")
        numbers["unlabelled_share"] = float(frame["label"].isna().mean())
        if numbers["unlabelled_share"] > thresholds.unlabelled_warn:
            verdicts.append("warn")
            said.append(f"{percent(numbers['unlabelled_share'])} of the rows have no label")
        attacks = frame.loc[frame["label"] == "spoof", "attack"].fillna("unnamed")
        tables["attacks"] = attacks.value_counts().rename_axis("attack").reset_index(name="rows")
    if frame["expression"].notna().any():
        counts = frame["expression"].value_counts()
        ratio = float(counts.min() / counts.max())
        numbers["expression_ratio"] = ratio
        verdicts.append("warn" if ratio < thresholds.expression_warn and len(counts) > 1 else "pass")
        said.append(f"{counts.idxmin()} has {counts.min()} rows, {counts.idxmax()} {counts.max()}")
        tables["expressions"] = _by_split(frame, "expression").reset_index()
    if not said:
        only = f"all that have a label are {labels[0]}" if len(labels) else "no row has a label"
        return Outcome("skipped", f"{only}, and none has an expression")
    return Outcome(worst(verdicts), "; ".join(said), numbers=numbers, tables=tables)


def coverage(rows: Rows, thresholds: CoverageThresholds) -> Outcome:
    """Cross live and each attack, and each expression, with domains, and look for cells that are empty.

    A domain with one label alone fails: there, the domain is the label. An attack or an expression that a
    domain lacks is learnt together with the looks of the domains that have it.
    """
    frame = rows.frame
    crossed = {"attack": _what(frame), "expression": frame["expression"]}
    verdicts: list[Verdict] = []
    findings, tables = [], {}
    numbers: dict[str, Any] = {}
    ids = frame["sample_id"].to_numpy()
    if frame["domain"].dropna().nunique() < 2:
        return Outcome("skipped", "the rows are not of two domains")
    for name, what in crossed.items():
        known = what.notna() & frame["domain"].notna()
        if not known.any():
            continue
        table = pd.crosstab(what[known], frame.loc[known, "domain"])
        tables[name] = table.rename_axis(name).reset_index()
        thin = [(row, column, int(table.loc[row, column])) for row in table.index for column in table.columns]
        thin = [cell for cell in thin if cell[2] < thresholds.least]
        numbers[f"{name}_cells"] = table.size
        numbers[f"{name}_cells_empty"] = sum(number == 0 for *_, number in thin)
        numbers[f"{name}_cells_thin"] = sum(number > 0 for *_, number in thin)
        verdicts.append("warn" if thin else "pass")
        for row, column, number in thin:
            where = np.flatnonzero(known & (what == row) & (frame["domain"] == column))
            detail = f"{number or 'no'} rows of {row} in {column}; {thresholds.least} are wanted"
            findings.append(Finding(tuple(ids[where]), detail, float(thresholds.least - number)))
    if frame["label"].dropna().nunique() == 2:
        one_sided = _one_sided(frame)
        numbers["domains_of_one_label"] = one_sided
        for domain, label in one_sided.items():
            verdicts.append("fail")
            where = np.flatnonzero((frame["domain"] == domain) & frame["label"].notna())
            detail = (
                f"{domain} is all {label}: there, the domain is the label; add the other one, or leave it"
            )
            findings.append(Finding(tuple(ids[where]), detail, float(len(frame))))
    empty = sum(value for name, value in numbers.items() if name.endswith("_empty"))
    cells = sum(value for name, value in numbers.items() if name.endswith("_cells"))
    thin_cells = sum(value for name, value in numbers.items() if name.endswith("_thin"))
    said = f"of {cells} cells {empty} are empty and {thin_cells} have under {thresholds.least} rows"
    if numbers.get("domains_of_one_label"):
        said += f"; of one label alone: {', '.join(numbers['domains_of_one_label'])}"
    if not verdicts:
        return Outcome("skipped", "no row with a domain has a label or an expression")
    findings.sort(key=lambda one: -one.score)
    return Outcome(worst(verdicts), said, numbers=numbers, findings=findings, tables=tables)


def _what(frame: pd.DataFrame) -> pd.Series:
    """Return `live`, or the first part of the attack's species; `spoof` where no attack has a name."""
    species = frame["attack"].map(lambda one: one.partition("/")[0], na_action="ignore")
    named = species if species.notna().any() else pd.Series("spoof", index=frame.index, dtype=object)
    return frame["label"].where(frame["label"] != "spoof", named)


def _one_sided(frame: pd.DataFrame) -> dict[str, str]:
    known = frame[frame["label"].notna() & frame["domain"].notna()]
    labels = known.groupby("domain")["label"].agg(["nunique", "first"])
    return {str(name): str(row["first"]) for name, row in labels.iterrows() if row["nunique"] == 1}


def _by_split(frame: pd.DataFrame, column: str, values: tuple[str, ...] = ()) -> pd.DataFrame:
    split = frame["split"].where(frame["split"].notna(), _NO_SPLIT)
    table = pd.crosstab(split, frame[column])
    table.index.name = "split"
    return table.reindex(
        columns=[*values, *(one for one in table.columns if one not in values)], fill_value=0
    )


LABEL_BALANCE = Audit(
    name="label-balance",
    title="Balance of labels",
    about="How rare live, spoof and each expression are, in every split. Of a rare class little is learnt, "
    "and its error rate is known coarsely.",
    run=label_balance,
    thresholds=BalanceThresholds,
)

COVERAGE = Audit(
    name="coverage",
    title="Coverage of attacks and expressions by domains",
    about="Attacks and expressions that a domain lacks, and domains of one label alone. Where a class is "
    "seen in one domain only, the looks of that domain are learnt as the class.",
    run=coverage,
    thresholds=CoverageThresholds,
    source="Torralba and Efros, Unbiased look at dataset bias, CVPR 2011",
)
