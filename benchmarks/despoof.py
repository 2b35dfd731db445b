"""Does what de-spoofing changes show an attack, and where it is? Asked of people that no step has seen.

    python benchmarks/despoof.py WORK [--steps 1500] [--write docs/synth-despoof.md] [--sheet sheet.jpg]

In the folder WORK: demo faces, 60 people to train on, 20 to choose the strength by and 20 to report; a
network of live faces (`task: despoof`) trained on renders and captures of the first; physics' attacks with
their masks (policies `mixed` and `partial`) and live captures of the others. What is there from a run before
is used again, so a run that was stopped goes on; the network is trained for `--steps` in all.

Three questions, each beside its floor:

- Is the residual of an attack told from that of a live face? The area under the ROC curve, of its mean, of
  its mean over that of the person's (other) live captures, and of how unusual its texture is among residuals
  of live captures of the people who were trained on. The floors need no network: the mean change from a
  picture to its coarse copy, and to a blurred one, and how unusual the picture's own texture is.
- Is the residual larger inside the mask of an attack on a part of the face than outside? The ratio of the two
  means, and the area under the curve of the pixels.
- Or is it the place? The same masks laid over live captures of the same pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from page import write_between
from verbs import Runner

from facedata.annotate.score.bootstrap import Draws, Estimate
from facedata.curate.audit.clusters import auc, drawn_sums, told
from facedata.datasets.dataset import Dataset
from facedata.datasets.pictures import read_picture
from facedata.datasets.sample import Sample
from facedata.synth.despoof import despoof, residual_map
from facedata.synth.pictures import as_pixels, as_tensor, coarse, fitted
from facedata.synth.prior import cosines
from facedata.synth.sample import Sampling

SIDE = 64
STRENGTHS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75)
MADE = {"mixed": ("mixed", 2), "partial": ("partial", 2), "captured": ("capture", 1)}
"""What is made of the pictures of people that were not trained on: a policy, and how many of each picture."""

WAYS = ("mean residual", "over the person's", "texture of the residual")
"""The ways to tell an attack that ask the network."""

_LOWEST = 4  # band of half-octaves: pose and light are below it
_PART = (0.05, 0.95)  # shares of the picture between which a mask is of a part


def prepare(work: Path, steps: int) -> None:
    """Make what is not there yet."""
    work.mkdir(parents=True, exist_ok=True)
    run = Runner(work)
    run("demo", "ingest", "demo", "--identities", "100", "--pictures", "3", "--seed", "11")
    run("faces", "split", "demo", "--ratios", "train=0.6,val=0.2,test=0.2")
    run("live", "augment", "faces", "--policy", "capture", "--variants", "3", "--seed", "1")
    for split in ("val", "test"):
        run(split, "filter", "faces", f"split == '{split}'")
        for name, (policy, count) in MADE.items():
            words = ["--policy", policy, "--variants", str(count), "--seed", "2", "--originals", "drop"]
            run(f"{split}-{name}", "augment", split, *words, "--truth", "masks")
    run("usual", "filter", "live", "split == 'train' and variant == 0")
    (work / "live.yaml").write_text("task: despoof\n")
    finished = (work / "net" / "unet").is_dir()
    again = ["--resume"] if (work / "net").exists() else []
    words = ["synth", "train", "live", "--config", "live.yaml", "--steps", str(steps), *again]
    run("net", *words, there=finished)


@dataclass(frozen=True)
class Shown:
    """A picture that was de-spoofed: uint8 at the network's side; `mask` is None where the face is live."""

    subject: str
    source: str
    kind: str
    suspect: NDArray[np.uint8]
    made: NDArray[np.uint8]
    residual: NDArray[np.float64]
    rough: NDArray[np.float64]
    mask: NDArray[np.bool_] | None


def shown(work: Path, split: str, strength: float, steps: int) -> list[Shown]:
    """De-spoof what was made of a split's people at one strength."""
    return [one for name in MADE for one in despoofed(work, work / f"{split}-{name}", strength, steps)]


def despoofed(work: Path, source: Path, strength: float, steps: int) -> list[Shown]:
    """De-spoof the faces of a dataset at one strength."""
    found: list[Shown] = []
    target = work / "despoofed" / f"{source.name}-{strength:g}-{steps}"
    sampling = Sampling(strength=strength, steps=steps, batch=16)
    if not target.exists():
        despoof(source, work / "net", target, sampling=sampling)
    before, after = Dataset.open(source), Dataset.open(target)
    parents = {one.sample_id: one for one in before}
    for made in after:
        parent = parents[made.parent_id or ""]
        suspect = fitted(_pixels(before, parent.image), SIDE)
        rough = as_pixels(coarse(as_tensor(suspect[None])).div(2).add(0.5))[0]
        found.append(
            Shown(
                parent.subject or "",
                parent.parent_id or "",
                parent.attack or "live",
                suspect,
                _pixels(after, made.image),
                _pixels(after, made.layers[0].ref)[:, :, 0].astype(np.float64),
                residual_map(suspect, rough).astype(np.float64),
                _mask(before, parent) if parent.label == "spoof" else None,
            )
        )
    return found


def _mask(dataset: Dataset, attack: Sample) -> NDArray[np.bool_]:
    """Return where the medium shows: everywhere, unless a layer says less."""
    layers = [layer.ref for layer in attack.layers if layer.name == "mask"]
    if not layers:
        return np.ones((SIDE, SIDE), bool)
    return fitted(_pixels(dataset, layers[0]), SIDE)[:, :, 0] > 127


def _pixels(dataset: Dataset, reference: str) -> NDArray[np.uint8]:
    return read_picture(dataset.read(reference), reference).pixels


class Usual:
    """What the textures of live pictures, or of live residuals, are like: a mean and a covariance."""

    def __init__(self, pictures: Sequence[NDArray[Any]]) -> None:
        known = np.stack([_texture(one) for one in pictures])
        spread = np.cov(known.T)
        ridge = 1e-3 * np.trace(spread) / len(spread)
        self.mean, self.precision = known.mean(axis=0), np.linalg.inv(spread + ridge * np.eye(len(spread)))

    def distance(self, picture: NDArray[Any]) -> float:
        """Return the squared Mahalanobis distance of a picture, height x width x 3."""
        off = _texture(picture) - self.mean
        return float(off @ self.precision @ off)


def _texture(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Return the log power of half-octaves of brightness and two colour differences, without the lowest."""
    red, green, blue = np.moveaxis(picture.astype(np.float32), 2, 0)
    planes = np.stack([0.299 * red + 0.587 * green + 0.114 * blue, red - green, blue - green])
    waves = cosines(torch.from_numpy(planes)).numpy() ** 2
    order = np.hypot(*np.indices(waves.shape[1:]))
    bands = np.round(2 * np.log2(np.maximum(2 * order, 1))).astype(int)
    powers = [waves[:, bands == band].mean(axis=1) for band in range(_LOWEST, bands.max() + 1)]
    return np.log(np.concatenate(powers) + 1e-2)


@dataclass(frozen=True)
class Scores:
    """How suspect faces are, by each way of telling: the first three are the network's."""

    usual: Usual
    changes: Usual

    @classmethod
    def of(cls, live: Sequence[Shown]) -> Scores:
        """Return the ways, with `live` for what is usual."""
        return cls(Usual([one.suspect for one in live]), Usual([_change(one) for one in live]))

    def __call__(self, faces: Sequence[Shown]) -> dict[str, NDArray[np.float64]]:
        """Return a score of each face by the name of each way."""
        means = np.array([one.residual.mean() for one in faces])
        own = np.array([_of_person(faces, means, place) for place in range(len(faces))])
        ways: dict[str, Sequence[float] | NDArray[np.float64]] = {
            "mean residual": means,
            "over the person's": means / own,
            "texture of the residual": [self.changes.distance(_change(one)) for one in faces],
            "coarse copy": [one.rough.mean() for one in faces],
            "blur of 1 px": [_blurred(one.suspect) for one in faces],
            "texture of the picture": [self.usual.distance(one.suspect) for one in faces],
        }
        return {name: np.asarray(values, np.float64) for name, values in ways.items()}


def _change(one: Shown) -> NDArray[np.float32]:
    return one.suspect.astype(np.float32) - one.made


def _of_person(faces: Sequence[Shown], means: NDArray[np.float64], place: int) -> float:
    """Return the mean residual of the other live faces of a face's person."""
    others = [
        mean
        for number, (one, mean) in enumerate(zip(faces, means, strict=True))
        if number != place and one.mask is None and one.subject == faces[place].subject
    ]
    return float(np.mean(others))


def _blurred(suspect: NDArray[np.uint8]) -> float:
    return float(cv2.absdiff(suspect, cv2.GaussianBlur(suspect, (0, 0), 1)).mean())


def told_apart(faces: Sequence[Shown], scores: NDArray[np.float64], kinds: str = "") -> Estimate:
    """Return the AUC of scores: attacks whose kind begins so against live faces."""
    used = [place for place, one in enumerate(faces) if one.mask is None or one.kind.startswith(kinds)]
    attack = np.array([faces[place].mask is not None for place in used])
    return auc(scores[used], attack, _people([faces[place] for place in used]))


def _people(faces: Sequence[Shown]) -> NDArray[np.int64]:
    return pd.factorize(np.array([one.subject for one in faces]))[0].astype(np.int64)


@dataclass(frozen=True)
class Place:
    """An attack on a part: log ratio of residuals inside and outside, area of pixels; then of a live face."""

    subject: str
    ratio: float
    area: float
    live_ratio: float
    live_area: float


def places(faces: Sequence[Shown], *, floor: bool) -> list[Place]:
    """Measure each attack on a part of a face, and its mask on a live capture of the same picture."""
    live = {one.source: one for one in faces if one.mask is None}
    found = []
    for one in faces:
        if one.mask is None or not _PART[0] < one.mask.mean() < _PART[1] or one.source not in live:
            continue
        values = [one.rough, live[one.source].rough] if floor else [one.residual, live[one.source].residual]
        (ratio, area), (live_ratio, live_area) = (_inside(value, one.mask) for value in values)
        found.append(Place(one.subject, ratio, area, live_ratio, live_area))
    return found


def _inside(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> tuple[float, float]:
    ratio = float(np.log((values[mask].mean() + 1e-6) / (values[~mask].mean() + 1e-6)))
    flat = mask.ravel()
    area = auc(values.ravel(), flat, np.arange(flat.size)).value
    return ratio, float("nan") if area is None else area


def mean_of(values: Sequence[float], subjects: Sequence[str]) -> Estimate:
    """Return a mean with its 95 % interval over people."""
    columns = np.column_stack([values, np.ones(len(values))])
    drawn = drawn_sums(columns, pd.factorize(np.array(subjects))[0].astype(np.int64), Draws())
    means = drawn[:, 0] / drawn[:, 1]
    low, high = np.nanquantile(means[1:], [0.025, 0.975])
    return Estimate(float(means[0]), float(low), float(high))


def _exp(one: Estimate) -> Estimate:
    return Estimate(
        *(None if value is None else float(np.exp(value)) for value in (one.value, one.low, one.high))
    )


def sweep(work: Path, steps: int) -> tuple[float, str]:
    """Return the strength that tells attacks of the choosing people best, and the table it was chosen by."""
    rows = [
        f"| Strength | {' | '.join(WAYS)} | pixels | the same masks on live |",
        "|---:|---|---|---|---|---|",
    ]
    best: tuple[float, float] = (-1.0, STRENGTHS[0])
    for strength in STRENGTHS:
        faces = shown(work, "val", strength, steps)
        scores = Scores.of(despoofed(work, work / "usual", strength, steps))(faces)
        apart = [told_apart(faces, scores[name]) for name in WAYS]
        found = places(faces, floor=False)
        subjects = [one.subject for one in found]
        inside = mean_of([one.area for one in found], subjects)
        live = mean_of([one.live_area for one in found], subjects)
        cells = [told(one) for one in [*apart, inside, live]]
        rows.append(f"| {strength:g} | {' | '.join(cells)} |")
        best = max(best, *((one.value or 0.0, strength) for one in apart))
    return best[1], "\n".join(rows)


def report(faces: Sequence[Shown], scores: dict[str, NDArray[np.float64]]) -> str:
    """Return the tables of the people to report on."""
    kinds = sorted({one.kind.partition("/")[0] for one in faces if one.mask is not None})
    counts = {
        kind: sum(one.mask is not None and one.kind.startswith(kind) for one in faces)
        for kind in ["", *kinds]
    }
    heads = " | ".join(f"{kind or 'all'} ({count})" for kind, count in counts.items())
    live = sum(one.mask is None for one in faces)
    lines = [f"| AUC, attack or live ({live} live) | {heads} |", "|---" * (len(counts) + 1) + "|"]
    for name, values in scores.items():
        cells = [told(told_apart(faces, values, kind)) for kind in counts]
        lines.append(f"| {'network: ' if name in WAYS else ''}{name} | {' | '.join(cells)} |")
    lines += ["", "| Attacks on a part | network | coarse copy alone |", "|---|---|---|"]
    both = [places(faces, floor=floor) for floor in (False, True)]
    subjects = [one.subject for one in both[0]]
    measures = {
        "residual inside / outside the mask": lambda one: one.ratio,
        "the same masks on live faces": lambda one: one.live_ratio,
        "the first over the second": lambda one: one.ratio - one.live_ratio,
    }
    for name, of in measures.items():
        cells = [told(_exp(mean_of([of(one) for one in found], subjects))) for found in both]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    areas = {
        "AUC of pixels, inside or outside": lambda one: one.area,
        "the same on live faces": lambda one: one.live_area,
    }
    for name, of in areas.items():
        cells = [told(mean_of([of(one) for one in found], subjects)) for found in both]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(f"| attacks, people | {len(subjects)}, {len(set(subjects))} | |")
    return "\n".join(lines)


def sheet(faces: Sequence[Shown], path: Path, columns: int = 12) -> None:
    """Write pictures, what was made of them, residuals (five times as bright) and masks, top to bottom."""
    live = [one for one in faces if one.mask is None][: columns // 3]
    part = [one for one in faces if one.mask is not None and _PART[0] < one.mask.mean() < _PART[1]]
    whole = [one for one in faces if one.mask is not None and one.mask.mean() >= _PART[1]]
    chosen = [*live, *_spread(whole, columns // 3), *_spread(part, columns - 2 * (columns // 3))]
    strips = []
    for one in chosen:
        bright = np.clip(one.residual * 5, 0, 255).astype(np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8) if one.mask is None else one.mask.astype(np.uint8) * 255
        grey = [np.repeat(layer[:, :, None], 3, axis=2) for layer in (bright, mask)]
        strips.append(np.concatenate([one.suspect, one.made, *grey]))
    big = np.repeat(np.repeat(np.concatenate(strips, axis=1), 2, axis=0), 2, axis=1)
    cv2.imwrite(str(path), big[:, :, ::-1])


def _spread(faces: Sequence[Shown], count: int) -> list[Shown]:
    return [faces[place] for place in np.linspace(0, len(faces) - 1, count).astype(int)] if faces else []


def main() -> None:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--sheet", type=Path)
    asked = parser.parse_args()
    prepare(asked.work, asked.steps)
    strength, chosen_by = sweep(asked.work, asked.sampling_steps)
    faces = shown(asked.work, "test", strength, asked.sampling_steps)
    scores = Scores.of(despoofed(asked.work, asked.work / "usual", strength, asked.sampling_steps))(faces)
    text = (
        f"{asked.steps} steps of training. On the 20 people to choose by:\n\n{chosen_by}\n\n"
        f"On the 20 people to report, at the strength {strength:g}:\n\n{report(faces, scores)}"
    )
    print(text)
    if asked.sheet:
        sheet(faces, asked.sheet)
    if asked.write:
        write_between(asked.write, "measured", f"\n{text}\n")


if __name__ == "__main__":
    main()
