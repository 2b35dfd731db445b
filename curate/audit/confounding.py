"""Confounding: how far the label can be read off where, with what and of whom a picture was taken."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from facedata.annotate.score.bootstrap import Draws
from facedata.curate.audit.association import cramers_v
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds, Verdict
from facedata.curate.audit.clusters import clusters_of
from facedata.curate.audit.grouping import numbered, percent, worst
from facedata.datasets.quality import FILE_TYPES

__all__ = [
    "CONFOUNDING",
    "GROUP_BALANCE",
    "AssociationThresholds",
    "ConfoundingThresholds",
    "GroupThresholds",
    "confounding",
    "group_balance",
]

_AGES = (0, 18, 30, 45, 60, 200)


class AssociationThresholds(Thresholds):
    """From where on an association counts; lower ends of 95 % intervals are compared."""

    warn: float = Field(0.3, ge=0, le=1, description="Cramer's V of the label and another column")
    fail: float = Field(0.6, ge=0, le=1, description="Cramer's V of the label and another column")
    draws: int = Field(200, ge=20, description="draws of persons for the interval")
    seed: int = Field(0, ge=0, description="seed of the draws")


class ConfoundingThresholds(AssociationThresholds):
    """What the label is compared with beside domain, source dataset, file type and size."""

    attributes: tuple[str, ...] = Field(
        (
            "camera",
            "device",
            "light",
            "phone",
            "place",
            "scene",
            "sensor",
            "session",
            "site",
            "source_camera",
        ),
        description="attributes that describe the capture",
    )
    most: int = Field(50, ge=2, description="values up to which a column counts as categories")


class GroupThresholds(AssociationThresholds):
    """Which attributes make groups, and how small one may be."""

    attributes: tuple[str, ...] = Field(
        ("age", "gender", "sex", "race", "ethnicity", "skin"), description="attributes that make groups"
    )
    least: float = Field(0.05, ge=0, le=1, description="share of persons below which a group is small")


def confounding(rows: Rows, thresholds: ConfoundingThresholds) -> Outcome:
    """Compare the label with what should not tell it: domain, source, file type, size, capture."""
    frame = rows.frame
    if frame["label"].dropna().nunique() < 2:
        return Outcome("skipped", "the rows are not both live and spoof")
    size = frame["width"].astype(str) + " x " + frame["height"].astype(str)
    columns = {"domain": frame["domain"], "source dataset": frame["source_dataset"], "size": size}
    if rows.quality is not None:
        columns["file type"] = _file_types(rows.quality)
    columns |= {name: _attribute(frame, name) for name in thresholds.attributes}
    few = {
        name: column
        for name, column in columns.items()
        if 2 <= column.nunique(dropna=True) <= thresholds.most
    }
    if not few:
        return Outcome("skipped", "no column that could give the label away has several values")
    return _associated(frame, few, thresholds, "take live and spoof alike for each")


def group_balance(rows: Rows, thresholds: GroupThresholds) -> Outcome:
    """Count persons of each group, and compare groups with the label.

    Where a row has no label its expression is compared. Ages in years are put into five groups.
    """
    frame = rows.frame
    columns = {name: _attribute(frame, name) for name in thresholds.attributes}
    columns = {name: _ages(one) if name == "age" else one for name, one in columns.items()}
    known = {name: column for name, column in columns.items() if column.notna().any()}
    if not known:
        wanted = ", ".join(thresholds.attributes)
        return Outcome("skipped", f"no row has an attribute that makes groups ({wanted})")
    found = _associated(frame, known, thresholds, "balance the label within the group")
    person = frame["person"].where(frame["person"].notna(), frame["family"])
    verdicts, said = [found.verdict], [found.said]
    findings, numbers, tables = list(found.findings), dict(found.numbers), dict(found.tables)
    ids = frame["sample_id"].to_numpy()
    for name, column in known.items():
        persons = person.groupby(column).nunique()
        shares = persons / persons.sum()
        table = pd.DataFrame({"rows": column.value_counts(), "persons": persons, "share of persons": shares})
        tables[name] = table.rename_axis(name).reset_index()
        numbers[f"{name}_unknown"] = int(column.isna().sum())
        for group in persons.index[shares < thresholds.least]:
            verdicts.append("warn")
            where, share = np.flatnonzero(column == group), float(shares[group])
            detail = f"{name} {group}: {persons[group]} persons ({percent(share)}); too few to speak for it"
            findings.append(Finding(tuple(ids[where]), detail, float(1 - share)))
    small = len(findings) - len(found.findings)
    said.append(f"{small} groups are under {percent(thresholds.least)} of persons" if small else "")
    return Outcome(
        worst(verdicts), "; ".join(filter(None, said)), numbers=numbers, findings=findings, tables=tables
    )


def _associated(
    frame: pd.DataFrame, columns: Mapping[str, pd.Series], thresholds: AssociationThresholds, mend: str
) -> Outcome:
    """Compare columns of categories with the label, or with the expression where no row has one."""
    of = "label" if frame["label"].dropna().nunique() > 1 else "expression"
    target, clusters = numbered(frame[of]), clusters_of(frame)
    ids = frame["sample_id"].to_numpy()
    draws = Draws(thresholds.draws, thresholds.seed)
    verdicts: list[Verdict] = ["pass"]
    found, findings = {}, []
    for name, column in columns.items():
        codes = numbered(column)
        both = np.flatnonzero((codes >= 0) & (target >= 0))
        strength = cramers_v(codes[both], target[both], clusters[both], draws)
        if np.isnan(strength["value"]):
            continue
        found[name] = strength
        # One cluster alone gives no interval: then nothing is known against the column.
        low = np.nan_to_num(strength["low"])
        verdict: Verdict = "fail" if low > thresholds.fail else "warn" if low > thresholds.warn else "pass"
        verdicts.append(verdict)
        if verdict != "pass":
            detail = (
                f"{name} tells the {of}: Cramer's V {_told(strength)}; {_lopsided(column, frame[of])}; {mend}"
            )
            findings.append(Finding(_examples(ids[both], codes[both], target[both]), detail, low))
    if not found:
        return Outcome("pass", f"no column varies together with the {of}", numbers={"of": of})
    name, strength = max(found.items(), key=lambda one: np.nan_to_num(one[1]["low"]))
    table = pd.DataFrame([{"column": one, **values} for one, values in found.items()])
    return Outcome(
        worst(verdicts),
        f"of what is compared with the {of}, {name} tells most: Cramer's V {_told(strength)}",
        numbers={"of": of, "cramers_v": found},
        findings=sorted(findings, key=lambda one: -one.score),
        tables={"association": table.sort_values("low", ascending=False)},
    )


def _told(strength: Mapping[str, float]) -> str:
    return f"{strength['value']:.2f} ({strength['low']:.2f} to {strength['high']:.2f})"


def _lopsided(column: pd.Series, of: pd.Series) -> str:
    """Say of which value the label is most one-sided."""
    table = pd.crosstab(column, of)
    shares = table.to_numpy() / table.to_numpy().sum(axis=1, keepdims=True)
    above = shares - table.to_numpy().sum(axis=0) / table.to_numpy().sum()
    row, place = np.unravel_index(above.argmax(), above.shape)
    return f"of {table.index[row]}, {percent(float(shares[row, place]))} are {table.columns[place]}"


def _examples(
    ids: NDArray[np.object_], codes: NDArray[np.int64], target: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return a row of each combination: what the association looks like."""
    _, first = np.unique(codes * (int(target.max(initial=0)) + 1) + target, return_index=True)
    return tuple(ids[first])


def _attribute(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return an attribute as text; what is a list or a dictionary is none."""
    values = [None if one is None else one.get(name) for one in frame["attributes"]]
    plain = [None if one is None or isinstance(one, (list, dict)) else _word(one) for one in values]
    return pd.Series(plain, index=frame.index, dtype=object)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ages(column: pd.Series) -> pd.Series:
    """Return years as `18-29`; a text that is no number is a group's name already."""
    years = pd.to_numeric(column, errors="coerce")
    place = np.searchsorted(_AGES, years.fillna(-1), side="right") - 1
    names = [
        f"{_AGES[one]}-{_AGES[one + 1] - 1}" if one < len(_AGES) - 2 else f"{_AGES[one]} and over"
        for one in np.clip(place, 0, len(_AGES) - 2)
    ]
    return column.where(years.isna() | (years < 0), pd.Series(names, index=column.index, dtype=object))


def _file_types(quality: pd.DataFrame) -> pd.Series:
    codes = quality["file_type"].to_numpy()
    names = [None if np.isnan(one) else FILE_TYPES[int(one)] for one in codes]
    return pd.Series(names, dtype=object)


CONFOUNDING = Audit(
    name="confounding",
    title="Labels that can be read off the capture",
    about="How far live and spoof go together with domain, source dataset, picture size, file type, camera "
    "or session. A detector learns the easiest of what tells the label.",
    run=confounding,
    thresholds=ConfoundingThresholds,
    source="Bergsma, A bias-correction for Cramer's V, J. Korean Statistical Society 42, 2013; Geirhos et "
    "al., Shortcut learning in deep neural networks, Nature Machine Intelligence 2, 2020",
)

GROUP_BALANCE = Audit(
    name="group-balance",
    title="Balance of groups",
    about="Persons of each age, gender and race where rows name them, and how far a group goes together "
    "with the label. Of a group of few persons no error rate can be given.",
    run=group_balance,
    thresholds=GroupThresholds,
    source="Buolamwini and Gebru, Gender shades, FAT 2018",
)
