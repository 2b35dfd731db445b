"""Faults that are planted for the audits that rest on a model or an estimate.

Embeddings are Gaussian: classes, domains, groups and faults move their means, so that what can be found at
all is known. Sizes of what makes a whole dataset faulty are drawn on both sides of the thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from audit_plants import Bools, Plant, clean, trial
from numpy.random import Generator
from numpy.typing import NDArray

from facedata.curate.audit.base import Outcome, Rows
from facedata.curate.audit.catalogue import find_audits

WIDTH = 64
EMOTIONS = np.array(["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"], object)


def embedded(generator: Generator, frame: pd.DataFrame, apart: float = 4.0) -> NDArray[np.float32]:
    """Return embeddings of rows: the label moves them by `apart`, kind of attack and person a little."""
    vectors = generator.standard_normal((len(frame), WIDTH))
    vectors[:, 0] += apart * (frame["label"] == "spoof")
    kinds, persons = pd.factorize(frame["attack"])[0], pd.factorize(frame["person"])[0]
    vectors += generator.standard_normal((kinds.max() + 2, WIDTH))[kinds] * 0.2
    vectors += generator.standard_normal((persons.max() + 1, WIDTH))[persons] * 0.3
    return vectors.astype(np.float32)


def answer(name: str, rows: Rows) -> Outcome:
    """Return what an audit with its own thresholds says."""
    (audit,) = find_audits([name])
    return audit.run(rows, audit.thresholds())


def shortcut(generator: Generator, planted: bool) -> Rows:
    """Plant a trace of 0.2 to 2 deviations in every row that an operator made; else operators leave none."""
    frame = clean(generator)
    vectors = embedded(generator, frame)
    made = generator.random(len(frame)) < 0.4
    frame["operator"] = np.where(made, "photo_print", None)
    vectors[made, 9] += generator.uniform(0.2, 2) * planted
    return Rows(frame, vectors)


def unknown(generator: Generator) -> tuple[Bools, Bools]:
    """Plant rows that lie 6 to 15 deviations off, each in a direction of its own, one in a hundred."""
    frame = clean(generator, persons=200)
    vectors = embedded(generator, frame)
    strange = generator.random(len(frame)) < 0.01
    away = generator.standard_normal((int(strange.sum()), WIDTH))
    far = generator.uniform(6, 15, (len(away), 1))
    vectors[strange] += far * away / np.linalg.norm(away, axis=1, keepdims=True)
    return strange, answer("unknown", Rows(frame, vectors)).fields["unknown"].astype(bool)


def domains(generator: Generator, planted: bool) -> Rows:
    """Plant domains that move faces 0.4 to 1.2 times as far as spoofing does; else 0 to 0.3 times."""
    frame = clean(generator)
    vectors = embedded(generator, frame)
    places = pd.factorize(frame["domain"])[0]
    step = 4 * (generator.uniform(0.4, 1.2) if planted else generator.uniform(0, 0.3))
    vectors[:, 5] += step * (places - 1) / np.sqrt(2 / 3)
    return Rows(frame, vectors)


def spectra(generator: Generator, planted: bool) -> Rows:
    """Plant a domain whose spectra fall off by a power of 0.05 to 1 more; else all fall off alike."""
    frame = clean(generator)
    frequency = (np.arange(32) + 0.5) / 64
    logs = 9 - 2 * np.log(frequency) + generator.normal(0, 0.4, (len(frame), 32))
    persons = pd.factorize(frame["person"])[0]
    logs += generator.normal(0, 0.3, (persons.max() + 1, 1))[persons] * np.log(frequency)
    soft = (frame["domain"] == "webcam").to_numpy() & planted
    logs[soft] -= generator.uniform(0.05, 1) * np.log(frequency / frequency[0])
    return Rows(frame, spectra=logs.astype(np.float32))


def groups(generator: Generator, planted: bool) -> Rows:
    """Plant a group whose classes lie 0.2 to 1.5 deviations nearer, of 3; else all are alike."""
    frame = clean(generator, persons=240)
    vectors = embedded(generator, frame, apart=3.0)
    groups = np.array(["a", "b", "c"], object)[pd.factorize(frame["person"])[0] % 3]
    frame["attributes"] = pd.Series([{"race": one} for one in groups], dtype=object)
    worse = (groups == "a") & (frame["label"] == "spoof").to_numpy() & planted
    vectors[worse, 0] -= generator.uniform(0.2, 1.5)
    return Rows(frame, vectors)


def _emotional(generator: Generator) -> tuple[pd.DataFrame, NDArray[np.float32], NDArray[np.int64]]:
    frame = clean(generator, persons=150)
    truth = generator.integers(0, len(EMOTIONS), len(frame))
    means = generator.standard_normal((len(EMOTIONS), WIDTH)) * 6 / np.sqrt(2 * WIDTH)  # 6 apart
    vectors = generator.standard_normal((len(frame), WIDTH)) + means[truth]
    frame["label"], frame["attack"] = None, None
    return frame, vectors.astype(np.float32), truth


def _flipped(generator: Generator, truth: NDArray[np.int64]) -> tuple[Bools, NDArray[np.int64]]:
    wrong = generator.random(len(truth)) < 0.03
    other = (truth + generator.integers(1, len(EMOTIONS), len(truth))) % len(EMOTIONS)
    return wrong, np.where(wrong, other, truth)


def label_noise(generator: Generator) -> tuple[Bools, Bools]:
    """Plant three in a hundred expressions that are another one of seven, 6 deviations away."""
    frame, vectors, truth = _emotional(generator)
    wrong, given = _flipped(generator, truth)
    frame["expression"] = EMOTIONS[given]
    found = answer("label-noise", Rows(frame, vectors)).fields["expression_suggested"]
    return wrong, np.array([one is not None for one in found])


def anchors(generator: Generator) -> tuple[Bools, Bools]:
    """Plant the same faults where half of the sound rows were agreed on."""
    frame, vectors, truth = _emotional(generator)
    wrong, given = _flipped(generator, truth)
    frame["expression"] = EMOTIONS[given]
    frame["confidence"] = np.where(~wrong & (generator.random(len(frame)) < 0.5), 1.0, 0.5)
    return wrong, answer("anchors", Rows(frame, vectors)).fields["contradicted"].astype(bool)


def felt(generator: Generator, planted: bool) -> Rows:
    """Plant felt emotions that differ from the expression in 8 to 30 % of the rows; else in 0 to 7 %."""
    frame, _, truth = _emotional(generator)
    frame["expression"] = EMOTIONS[truth]
    other = generator.random(len(frame)) < (
        generator.uniform(0.08, 0.3) if planted else generator.uniform(0, 0.07)
    )
    inner = EMOTIONS[(truth + other * generator.integers(1, 7, len(frame))) % 7]
    frame["attributes"] = pd.Series([{"felt_expression": one} for one in inner], dtype=object)
    return Rows(frame)


def annotators(generator: Generator) -> tuple[Bools, Bools]:
    """Plant one annotator of six who answers at random, and one who has two classes swapped."""
    frame = clean(generator, persons=20)
    truth = generator.integers(0, 3, len(frame))
    rates = np.array([0.95, 0.9, 0.85, 0.8, 1 / 3, 0.9])
    parts = []
    for number, rate in enumerate(rates):
        said = np.where(
            generator.random(len(truth)) < rate, truth, (truth + generator.integers(1, 3, len(truth))) % 3
        )
        said = np.array([1, 0, 2])[said] if number == 5 else said
        asked = generator.random(len(truth)) < 0.7
        parts.append(
            pd.DataFrame(
                {
                    "sample_id": frame["sample_id"][asked],
                    "annotator": f"annotator {number}",
                    "question": "expression",
                    "answer": EMOTIONS[said[asked]],
                }
            )
        )
    outcome = answer("annotators", replace(Rows(frame), trials=pd.concat(parts, ignore_index=True)))
    flagged = " ".join(
        finding.detail.split(" agrees")[0] for finding in outcome.findings if not finding.samples
    )
    found = np.array([f"annotator {number}" in flagged for number in range(6)])
    return np.arange(6) >= 4, found


def _described(judge: object) -> str:
    return (judge.__doc__ or "").splitlines()[0].removeprefix("Plant ").rstrip(".")


def plants() -> Sequence[Plant]:
    """Every plant of these audits, in the catalogue's order."""
    found = [Plant("unknown", _described(unknown), "rows", unknown, 10)]
    found += [Plant("label-noise", _described(label_noise), "rows", label_noise, 10)]
    found += [Plant("anchors", _described(anchors), "rows", anchors, 10)]
    found += [Plant("annotators", _described(annotators), "annotators", annotators, 20)]
    for one in (shortcut, domains, spectra, groups, felt):
        found.append(Plant(one.__name__, _described(one), "datasets", trial(one.__name__, one), 40))
    order = [audit.name for audit in find_audits()]
    return sorted(found, key=lambda one: order.index(one.audit))
