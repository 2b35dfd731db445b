"""Does SARE help against a shortcut? Artefacts that go with the label in training, and not in the test.

    python benchmarks/sare.py WORK [--seeds 5] [--write docs/recipes.md]

In the folder WORK, for each seed: demo faces of 40 people to learn from and of 80 others, one attack by
physics on each picture, and on every picture one of two artefacts of a camera, JPEG blocks or grain. Where a
model learns from, attacks have blocks more often than grain and live faces the other way round, by a share of
each domain's own; where it is tested, artefacts say nothing. Development rows, on which the best step and the
threshold are chosen, are like the rows learned from: nobody who collects such a dataset knows better.

All ways of training see the same rows, as many steps and the same network; what differs is in `ARMS`. What is
there from a run before is used again.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import re
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from page import write_between
from sklearn.metrics import roc_auc_score
from verbs import Runner

from facedata.datasets.dataset import Dataset
from facedata.datasets.pictures import read_picture
from facedata.datasets.words import Words
from facedata.recipes.fas import score, train_fas
from facedata.recipes.fas_config import FasConfig

SHARES = {"studio": 0.98, "office": 0.9, "phone-night": 0.8}
"""Share of a domain's attacks that have blocks, and of its live faces that have grain, where one learns."""

ATTACKS = """\
name: attacks
description: one print or replay of each picture
chains:
  - steps:
      - operator: [print-laser, print-inkjet, replay-lcd, replay-oled]
"""

TRADITIONAL = {"flip": 0.5, "shift": 0.08, "scale": 0.15, "light": 1.0, "tint": 0.2, "noise": 0.03}
PLAIN = dict.fromkeys(TRADITIONAL, 0.0)
SARE = {"risk_variance": 10.0, "live_contrast": 0.02, "risk_momentum": 0.0}
"""The weights of the paper (arXiv 2409.03501), risks of each batch; the rest of its loss is cross entropy."""
REMEMBERED = {**SARE, "risk_momentum": 0.9}
"""The same with running means of the risks: a batch moves them by a tenth, and pulls by that much less."""


@dataclass(frozen=True)
class Arm:
    """A way of training: on the rows of `dataset`, with these variations and losses."""

    name: str
    dataset: str
    augment: Mapping[str, float]
    losses: Mapping[str, float]


ARMS = (
    Arm("cross entropy", "shortcut", PLAIN, {}),
    Arm("traditional", "shortcut", TRADITIONAL, {}),
    Arm("traditional, SARE", "shortcut", TRADITIONAL, SARE),
    Arm("traditional, SARE of running means", "shortcut", TRADITIONAL, REMEMBERED),
    Arm("fas-aug", "fas-aug", TRADITIONAL, {}),
    Arm("fas-aug, SARE", "fas-aug", TRADITIONAL, SARE),
    Arm("fas-aug, SARE of running means", "fas-aug", TRADITIONAL, REMEMBERED),
    Arm("physics", "mixed", TRADITIONAL, {}),
    Arm("physics, SARE", "mixed", TRADITIONAL, SARE),
    Arm("physics, SARE of running means", "mixed", TRADITIONAL, REMEMBERED),
    Arm("(traditional, no shortcut to learn)", "even", TRADITIONAL, {}),
)
PAIRS = (
    ("traditional", "cross entropy"),
    ("fas-aug", "traditional"),
    ("physics", "traditional"),
    *((arm.name, arm.name.split(",")[0]) for arm in ARMS if "SARE" in arm.name),
)
"""What is compared seed by seed: an arm, and the one that it adds something to."""


def prepare(home: Path, seed: int) -> None:
    """Make the datasets of a seed that are not there yet: even, shortcut, fas-aug, mixed and test."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "attacks.yaml").write_text(ATTACKS)
    run = Runner(home)
    size = ("--pictures", "3", "--size", "80")
    for name, people, first in (("learned", 40, 2 * seed), ("others", 80, 2 * seed + 1)):
        run(f"{name}-faces", "ingest", "demo", "--identities", str(people), *size, "--seed", str(first))
        run(
            name,
            "augment",
            f"{name}-faces",
            "--policy",
            "attacks.yaml",
            "--variants",
            "1",
            "--seed",
            str(seed),
        )
    for name, source, shares in (
        ("shortcut", "learned", SHARES),
        ("even", "learned", dict.fromkeys(SHARES, 0.5)),
        ("test", "others", dict.fromkeys(SHARES, 0.5)),
    ):
        if not (home / name).exists():
            spoiled(home / source, home / f"{name}-pictures", shares, seed)
        run(name, "ingest", "list", f"{name}-pictures/list.csv", "--name", name)
    for policy in ("fas-aug", "mixed"):
        varied = f"{policy}-made"
        run(varied, "augment", "shortcut", "--policy", policy, "--variants", "1", "--seed", str(seed))
        if not (home / policy).exists():
            listed(home / varied, home / f"{policy}.csv", policy)
        run(policy, "ingest", "list", f"{policy}.csv", "--name", policy)


def spoiled(source: Path, target: Path, shares: Mapping[str, float], seed: int) -> None:
    """Write every picture of a dataset with an artefact, as PNG, and a list of them."""
    target.mkdir(exist_ok=True)
    dataset = Dataset.open(source)
    with (target / "list.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "attack", "subject", "domain", "artefact"])
        for row in dataset:
            words = Words.of(seed, row.sample_id, "artefact")
            usual = words.chance(shares[row.domain])
            artefact = "blocks" if usual == (row.label == "spoof") else "grain"
            pixels = read_picture(dataset.read(row.image), row.image).pixels
            made = blocks(pixels) if artefact == "blocks" else grain(pixels, words.integer(0, 2**31))
            name = f"{row.sample_id}.png"
            cv2.imwrite(str(target / name), made[..., ::-1])
            lines.writerow([name, row.label, row.attack or "", row.subject, row.domain, artefact])


def blocks(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture as JPEG of quality 8 leaves it."""
    _, coded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 8])
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]


def grain(pixels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """Return a picture with Gaussian noise of 16 codes, each colour by itself."""
    noise = np.random.default_rng(seed).normal(0, 16, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def listed(source: Path, target: Path, policy: str) -> None:
    """Write a list of a dataset in which what a policy made is of domains of its own, as in FAS-Aug."""
    with target.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "attack", "subject", "domain"])
        for row in Dataset.open(source):
            domain = row.domain if row.parent_id is None else f"{row.domain}+{policy}"
            lines.writerow([f"{source.name}/{row.image}", row.label, row.attack or "", row.subject, domain])


def trained(home: Path, arm: Arm, seed: int, steps: int) -> tuple[pd.DataFrame, float]:
    """Train, and return the test rows with their scores, and the threshold of the development rows."""
    config = FasConfig.model_validate(
        {
            "network": {"name": "small", "side": 80, "width": 12},
            "augment": dict(arm.augment),
            "losses": dict(arm.losses),
            "loop": {"steps": steps, "batch": 24, "seed": seed, "dev_every": 50, "save_every": 10**6},
        }
    )
    target = home / "models" / re.sub(r"\W+", "-", arm.name).strip("-")
    made = train_fas(home / arm.dataset, target, config, overwrite=True)
    test = Dataset.open(home / "test")
    scores = score(target, test, batch=64).table.set_index("sample_id")["score"]
    cells = [(row.sample_id, row.label, row.domain, (row.attributes or {})["artefact"]) for row in test]
    rows = pd.DataFrame(cells, columns=["sample_id", "label", "domain", "artefact"]).set_index("sample_id")
    return rows.assign(score=scores), float(made.threshold.value)


def measured(rows: pd.DataFrame, threshold: float) -> dict[str, float]:
    """Return, in percent but for the variance, what is said of a model.

    `hter` and `worst` are the mean and the worst over domains of the mean of both error rates, at the
    threshold chosen on development rows; `auc`, which needs none, is the worst domain's. `variance` is that
    of the domains' spoof risks (mean cross entropy). `probe` is the AUC with which a score tells grain from
    blocks where all faces are live: 50 is blind, 100 reads nothing else.
    """
    live = (rows["label"] == "live").to_numpy()
    scores = rows["score"].to_numpy()
    errors, aucs, risks = [], [], []
    for _, part in rows.groupby("domain"):
        own = (part["label"] == "live").to_numpy()
        accepted = part["score"].to_numpy() >= threshold
        errors.append(50 * ((~accepted)[own].mean() + accepted[~own].mean()))
        aucs.append(100 * roc_auc_score(own, part["score"]))
        risks.append(np.logaddexp(0, part["score"].to_numpy()[~own]).mean())
    grainy = (rows["artefact"] == "grain").to_numpy()[live]
    return {
        "hter": float(np.mean(errors)),
        "worst": float(max(errors)),
        "auc": float(np.min(aucs)),
        "variance": float(np.var(risks)),
        "probe": 100 * float(roc_auc_score(grainy, scores[live])),
    }


def table(found: pd.DataFrame) -> str:
    """Return a table in Markdown: medians over the seeds, and the least and the most."""
    heads = {
        "worst": "Worst domain's HTER, %",
        "hter": "Mean HTER, %",
        "auc": "Worst domain's AUC, %",
        "variance": "Variance of the spoof risks",
        "probe": "Shortcut probe, %",
    }
    lines = ["| Learned with | " + " | ".join(heads.values()) + " |", "|---|" + "---:|" * len(heads)]
    for name, part in found.groupby("arm", sort=False):
        cells = [_spread(part[key], 3 if key == "variance" else 1) for key in heads]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def pairs(found: pd.DataFrame) -> str:
    """Return a table in Markdown of what an addition does to the worst domain's HTER, seed by seed."""
    lines = [
        "| With | Without | Worst domain's HTER, difference in points | Better in seeds |",
        "|---|---|---:|---:|",
    ]
    worst = found.pivot_table(index="seed", columns="arm", values="worst")
    for name, other in PAIRS:
        if {name, other} <= set(worst):
            gained = worst[name] - worst[other]
            lines.append(
                f"| {name} | {other} | {_spread(gained, 1)} | {(gained < 0).sum()} of {len(gained)} |"
            )
    return "\n".join(lines)


def _spread(values: pd.Series[Any], digits: int) -> str:
    middle, least, most = values.median(), values.min(), values.max()
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def compared(asked: argparse.Namespace, seed: int) -> list[dict[str, Any]]:
    """Return what every way of training came to with a seed."""
    torch.set_num_threads(1)
    home = asked.work / f"seed-{seed}"
    prepare(home, seed)
    found = []
    for arm in ARMS:
        if not asked.arms or any(word in arm.name for word in asked.arms):
            values = measured(*trained(home, arm, seed, asked.steps))
            print(seed, arm.name, {name: round(value, 3) for name, value in values.items()}, flush=True)
            found.append({"seed": seed, "arm": arm.name, **values})
    return found


def main() -> None:
    """Run all ways of training, print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--arms", nargs="*", help="only those whose names hold one of these words")
    parser.add_argument("--jobs", type=int, default=2, help="seeds that run side by side, a core each")
    parser.add_argument("--write", type=Path, help="a page with the marks <!-- sare -->")
    asked = parser.parse_args()
    # a process a seed, started afresh: none may be forked once torch has run
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.jobs, mp_context=context) as pool:
        each = pool.map(compared, repeat(asked), range(asked.seeds))
        found = [one for part in each for one in part]
    results = pd.DataFrame(found)
    results.to_csv(asked.work / "results.csv", index=False)
    made = f"{table(results)}\n\n{pairs(results)}"
    if asked.write:
        write_between(asked.write, "sare", made)
    print(made)


if __name__ == "__main__":
    main()
