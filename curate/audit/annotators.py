"""Whom of the annotators to trust, by how they agree on what nobody knows for sure.

The truth is taken as hidden (Dawid and Skene 1979, Applied Statistics 28): each annotator has a confusion
theta(said | true), and both are estimated in turn from the votes of all, beginning with the majority's. That
settles on the wrong side where most err alike, and with two annotators it cannot tell which of them errs;
so a question needs three, and two get their agreement only.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from facedata.annotate.score.agreement import ac1, kappa
from facedata.annotate.score.bootstrap import Draws, Estimate, estimate
from facedata.curate.audit.base import Audit, Finding, Outcome, Rows, Thresholds
from facedata.curate.audit.clusters import Codes, Floats, clusters_of, drawn_sums, spread, told
from facedata.curate.audit.grouping import graded
from facedata.datasets.errors import UsageError

__all__ = ["ANNOTATORS", "AnnotatorThresholds", "Skill", "annotators", "skills"]


class AnnotatorThresholds(Thresholds):
    """When an annotator is not to be trusted."""

    warn_kappa: float = Field(
        0.4, description="warn where the upper end of an annotator's kappa with the others is less"
    )
    fail_kappa: float = Field(0.0, description="fail where it is less: worse than chance")
    least: int = Field(20, description="samples that an annotator shares with others, to be judged", ge=2)
    doubt: float = Field(0.4, description="chance that the likeliest answer is wrong, to show a sample", gt=0)
    rounds: int = Field(50, description="rounds of estimation at most", ge=1)
    pull: float = Field(1.0, description="answers that a uniform confusion weighs as much as", gt=0)
    draws: int = Field(500, description="draws of clusters for intervals", ge=20)
    seed: int = 0
    shown: int = Field(100, description="samples in dispute that are shown at most")


@dataclass(frozen=True, slots=True)
class Skill:
    """What one question's votes come to.

    `logs` are of the answers' chances, (samples, answers); `confusion` of each annotator (annotators, true,
    said); `shares` of the answers.
    """

    logs: Floats
    confusion: Floats
    shares: Floats

    @property
    def chances(self) -> Floats:
        """The chances of the answers to each sample, (samples, answers)."""
        return np.asarray(np.exp(self.logs), dtype=np.float64)


def skills(samples: Codes, voters: Codes, said: Codes, rounds: int = 50, pull: float = 1.0) -> Skill:
    """Return what Dawid and Skene's estimation comes to; votes are three arrays of codes, 0 up.

    A confusion is pulled towards a uniform one by `pull` votes a row, so that an annotator of three votes is
    not taken to be perfect. Several votes of one annotator on one sample share one vote between them.
    """
    items, people, answers = (int(codes.max()) + 1 for codes in (samples, voters, said))
    _, place, draws = np.unique(samples * people + voters, return_inverse=True, return_counts=True)
    weight = 1 / draws[place]
    cells = voters * answers + said
    tally = np.bincount(samples * answers + said, weight, items * answers).reshape(items, answers)
    chances = tally / tally.sum(1, keepdims=True).clip(1e-12)
    confusion, shares, logs = np.empty((people, answers, answers)), chances.mean(0), np.empty_like(chances)
    for _ in range(rounds):
        for true in range(answers):
            seen = np.bincount(cells, weight * chances[samples, true], people * answers)
            counted = seen.reshape(people, answers) + pull / answers
            confusion[:, true] = counted / counted.sum(1, keepdims=True)
        shares = (chances.sum(0) + 1) / (items + answers)
        logs = _scaled(np.log(shares) + _heard(samples, voters, said, weight, confusion, items))
        changed = np.exp(logs)
        moved, chances = float(np.abs(changed - chances).max()), changed
        if moved < 1e-6:
            break
    return Skill(logs, confusion, shares)


def _heard(
    samples: Codes, voters: Codes, said: Codes, weight: Floats, confusion: Floats, items: int
) -> Floats:
    """Return the log chance of what was said of each sample under each answer, (samples, answers)."""
    logs = weight[:, None] * np.log(confusion[voters, :, said])
    return np.stack([np.bincount(samples, column, items) for column in logs.T], axis=1)


def _scaled(logs: Floats) -> Floats:
    logs = logs - logs.max(1, keepdims=True)
    return np.asarray(logs - np.log(np.exp(logs).sum(1, keepdims=True)), dtype=np.float64)


def annotators(rows: Rows, limits: AnnotatorThresholds) -> Outcome:
    """Return each annotator's agreement with the others, and how far to trust them, question by question.

    Numbers, by question and annotator: `kappa` and `ac1` with what the others come to, with 95 %
    intervals from whole clusters; `trust`, the estimated share of right answers (three annotators or
    more). Fields: `dispute`, the largest chance over a sample's questions that the likeliest answer is wrong;
    `annotators`, how many answered.
    """
    trials = _checked(rows)
    trials["item"] = pd.Index(rows.frame["sample_id"]).get_indexer(trials["sample_id"])
    strangers = int((trials["item"] < 0).sum())
    trials = trials[(trials["item"] >= 0) & trials["answer"].notna()]
    clusters = clusters_of(rows.frame)
    tables, findings = [], []
    dispute = np.full(len(rows.frame), np.nan)
    for question, asked in trials.groupby("question", sort=True):
        table, chances, items = _question(str(question), asked, clusters, limits)
        if len(table):
            tables.append(table)
        if chances is not None:
            doubt = 1 - chances.max(1)
            dispute[items] = np.fmax(dispute[items], doubt)
            findings += _disputed(rows.frame, str(question), items, doubt, limits)
    if not tables:
        return Outcome(
            "skipped",
            f"No two annotators share {limits.least} samples of one question.",
            {"strangers": strangers},
        )
    table = pd.concat(tables, ignore_index=True)
    judged = [_judged(row, limits) for row in table.to_dict("records")]
    findings = sorted(findings, key=lambda one: -one.score)[: limits.shown]
    findings = [one for one in judged if one is not None] + findings
    low = table["kappa high"].min()
    verdict = graded(-low, -limits.warn_kappa, -limits.fail_kappa)
    worst = table.sort_values("kappa", kind="stable").iloc[0]
    shown = told(Estimate(worst["kappa"], worst["kappa low"], worst["kappa high"]))
    return Outcome(
        verdict,
        f"{table['annotator'].nunique()} annotators; least agreement: {worst['annotator']} on "
        f"{worst['question']}, kappa {shown} with the others.",
        numbers={"annotators": _numbers(table), "answers about unknown samples": strangers},
        findings=findings,
        fields={"dispute": dispute, "annotators": _answered(trials, len(rows.frame))},
        tables={"annotators": table},
    )


def _checked(rows: Rows) -> pd.DataFrame:
    if rows.trials is None:
        raise UsageError("the audit needs trials: answers of several annotators")
    wanted = {"sample_id", "annotator", "question", "answer"}
    if missing := wanted - set(rows.trials.columns):
        raise UsageError(f"trials lack {', '.join(sorted(missing))}")
    return rows.trials.copy()


def _question(
    question: str, asked: pd.DataFrame, clusters: Codes, limits: AnnotatorThresholds
) -> tuple[pd.DataFrame, Floats | None, Codes]:
    """Return a row for each annotator who can be judged, chances of the answers, and the frame's rows."""
    items, samples = np.unique(asked["item"].to_numpy(), return_inverse=True)
    voters, names = pd.factorize(asked["annotator"], sort=True)
    said, answers = pd.factorize(asked["answer"].astype(str), sort=True)
    empty = pd.DataFrame()
    if len(names) < 2 or len(answers) < 2:
        return empty, None, items
    skill = skills(samples, voters, said, limits.rounds, limits.pull) if len(names) > 2 else None
    draws = Draws(count=limits.draws, seed=limits.seed)
    rows = []
    for voter, name in enumerate(names):
        cells, groups, shared = _pairs(samples, voters, said, voter, skill, clusters[items])
        if shared < limits.least:
            continue
        sums = drawn_sums(cells, groups, draws).reshape(-1, len(answers), len(answers))
        with_others, gwet = estimate(kappa(sums), draws), estimate(ac1(sums), draws)
        rows.append(
            {
                "question": question,
                "annotator": str(name),
                "samples": shared,
                "kappa": with_others.value,
                "kappa low": with_others.low,
                "kappa high": with_others.high,
                "ac1": gwet.value,
                "ac1 low": gwet.low,
                "ac1 high": gwet.high,
                "trust": None if skill is None else float(skill.shares @ np.diagonal(skill.confusion[voter])),
            }
        )
    return pd.DataFrame(rows), None if skill is None else skill.chances, items


def _pairs(
    samples: Codes, voters: Codes, said: Codes, voter: int, skill: Skill | None, clusters: Codes
) -> tuple[Floats, Codes, int]:
    """Return counts of own against the others' answers, (samples, answers^2), clusters, and how many share.

    The others' answer is what they come to without this annotator, by what each of them is worth; of one
    other it is what was said. Each sample weighs one.
    """
    items, answers = int(samples.max()) + 1, int(said.max()) + 1
    own, rest = (
        np.bincount(samples[which] * answers + said[which], minlength=items * answers).reshape(items, answers)
        for which in (voters == voter, voters != voter)
    )
    both = (own.sum(1) > 0) & (rest.sum(1) > 0)
    share = own / own.sum(1, keepdims=True).clip(1)
    if skill is None:
        others = rest / rest.sum(1, keepdims=True).clip(1)
    else:
        others = np.exp(_scaled(skill.logs - share @ np.log(skill.confusion[voter]).T))
    cells = (share[both][:, :, None] * others[both][:, None, :]).reshape(-1, answers**2)
    return cells, clusters[both], int(both.sum())


def _judged(row: Mapping[Hashable, Any], limits: AnnotatorThresholds) -> Finding | None:
    high = row["kappa high"]
    if not isinstance(high, float) or not high < limits.warn_kappa:
        return None
    found = told(Estimate(row["kappa"], row["kappa low"], high))
    how = (
        "worse than chance: answers may be swapped" if high < limits.fail_kappa else "little more than chance"
    )
    return Finding(
        (),
        f"{row['annotator']} agrees with the others on {row['question']} with kappa {found}, {how}; leave "
        "these answers out or ask again",
        1000 + (1 - high),
    )


def _disputed(
    frame: pd.DataFrame, question: str, items: Codes, doubt: Floats, limits: AnnotatorThresholds
) -> list[Finding]:
    order = np.argsort(-doubt, kind="stable")[: limits.shown]
    return [
        Finding(
            (str(frame["sample_id"].iloc[items[one]]),),
            f"{question} is in dispute: the likeliest answer is wrong with a chance of {doubt[one]:.2f}",
            float(doubt[one]),
        )
        for one in order
        if doubt[one] > limits.doubt
    ]


def _numbers(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in table.replace({np.nan: None}).to_dict("records"):
        measures = {
            name: spread(Estimate(row[name], row[f"{name} low"], row[f"{name} high"]), row["samples"])
            for name in ("kappa", "ac1")
        }
        found.setdefault(row["question"], {})[row["annotator"]] = {**measures, "trust": row["trust"]}
    return found


def _answered(trials: pd.DataFrame, count: int) -> Floats:
    pairs = trials[["item", "annotator"]].drop_duplicates()
    return np.bincount(pairs["item"].to_numpy(int), minlength=count).astype(float)


ANNOTATORS = Audit(
    name="annotators",
    title="Trust in annotators",
    about=(
        "How each annotator (person, detector, model) agrees with the others, and how often they are "
        "estimated to be right: who answers at random, who has the classes swapped, which samples "
        "stay in dispute."
    ),
    run=annotators,
    thresholds=AnnotatorThresholds,
    needs=("trials",),
    source="Dawid and Skene 1979; Gwet 2008; models as annotators: GPT4Affectivity (arXiv 2403.05916)",
)
