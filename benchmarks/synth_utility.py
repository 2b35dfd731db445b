"""What attacks are worth to learn from: physics alone, the network's alone, or half of each, as many of all.

    python benchmarks/synth_utility.py SESSIONS MADE OTHERS --domains studio office --write docs/synth.md

SESSIONS are physics' attacks on some faces, MADE what `facedata synth sample` made of the same faces in their
style, OTHERS attacks on other people, each made on its own. A linear model on the embeddings that audits use,
all of pictures of 64 px, learns from the live faces of SESSIONS and from attacks, and is asked of OTHERS in a
domain that it has not seen. All see the same live faces and as many attacks, drawn anew for each seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from page import write_between
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from facedata.datasets.dataset import Dataset
from facedata.datasets.embed.catalogue import open_embedder
from facedata.datasets.pictures import read_picture
from facedata.synth.gates.judge import embedded
from facedata.synth.pictures import fitted

_SIDE = 64


def vectors(
    root: Path, label: str, domain: str, *, inside: bool, synthetic: bool | None = None
) -> np.ndarray:
    """Return the embeddings of a dataset's rows of a label, in a domain or outside of it."""
    dataset, found = Dataset.open(root), []
    for row in dataset:
        if row.label != label or (row.domain == domain) != inside:
            continue
        found.append(fitted(read_picture(dataset.read(row.image), row.image).pixels, _SIDE))
    if not found:
        raise SystemExit(f"{root} has no {label} rows {'in' if inside else 'outside of'} the domain {domain}")
    return embedded(open_embedder("plain"), found)


def learned(live: np.ndarray, attacks: np.ndarray) -> Pipeline:
    """Fit a linear model; positive is live."""
    answers = np.r_[np.ones(len(live)), np.zeros(len(attacks))]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))
    return model.fit(np.r_[live, attacks], answers)


def compared(asked: argparse.Namespace, domain: str) -> list[str]:
    """Return the rows of a table for a domain that is held out."""
    live = vectors(asked.sessions, "live", domain, inside=False)
    physics = vectors(asked.sessions, "spoof", domain, inside=False)
    network = vectors(asked.made, "spoof", domain, inside=False)
    faces = vectors(asked.others, "live", domain, inside=True)
    spoofs = vectors(asked.others, "spoof", domain, inside=True)
    answers = np.r_[np.ones(len(faces)), np.zeros(len(spoofs))]
    count = min(len(physics), len(network)) // 2 * 2
    found: dict[str, list[tuple[float, float]]] = {"physics": [], "network": [], "half of each": []}
    for seed in range(asked.seeds):
        draw = np.random.default_rng(seed)
        some, other = (one[draw.permutation(len(one))[:count]] for one in (physics, network))
        mixes = (some, other, np.r_[some[: count // 2], other[: count // 2]])
        for name, attacks in zip(found, mixes, strict=True):
            scores = learned(live, attacks).decision_function(np.r_[faces, spoofs])
            let_in, accepted, _ = roc_curve(answers, scores)
            place = np.argmin(np.abs(1 - accepted - let_in))
            equal = (1 - accepted[place] + let_in[place]) / 2
            found[name].append((100 * roc_auc_score(answers, scores), 100 * equal))
    rows = []
    for name, values in found.items():
        auc, eer = (
            f"{np.median(one):.1f} ({min(one):.1f} to {max(one):.1f})" for one in zip(*values, strict=True)
        )
        rows.append(f"| {domain} | {name} | {count} | {auc} | {eer} |")
    return rows


def main() -> None:
    """Compare, and print or write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sessions", type=Path)
    parser.add_argument("made", type=Path)
    parser.add_argument("others", type=Path)
    parser.add_argument("--domains", nargs="+", required=True, help="domains to hold out, one after another")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", type=Path, help="a page with the marks <!-- utility -->")
    asked = parser.parse_args()
    lines = ["| Held out | Learned from | Attacks | AUC, % | EER, % |", "|---|---|---:|---|---|"]
    for domain in asked.domains:
        lines += compared(asked, domain)
    table = "\n".join(lines)
    if asked.write:
        write_between(asked.write, "utility", table)
    print(table)


if __name__ == "__main__":
    main()
