"""What the gates find of planted faults: a picture of somebody else, of another attack, a copy, and worse.

    python benchmarks/gates.py TRAINING [--side 64] [--count 60] [--seed 0] [--write docs/synth-gates.md]

TRAINING is a dataset of live faces with attacks made of them, of at least ten people. The gates are fitted on
four fifths of the people. The attacks of the others stand for pictures that a network made: as they are they
should pass, and each fault that is planted in them should be refused. A network may do better or worse than
its training pictures; the table is about the gates.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from page import write_between

from facedata.datasets.dataset import Dataset
from facedata.datasets.words import Words
from facedata.synth.config import Pairing
from facedata.synth.gates.base import GATES, Case, refusals
from facedata.synth.gates.fit import fit_judge
from facedata.synth.gates.judge import Judge
from facedata.synth.pairs import Pair, Pairs, find_pairs
from facedata.synth.pictures import Shelf


@dataclass
class World:
    """Pairs of people that the gates have not seen, and of those that they have."""

    pairs: Pairs
    shelf: Shelf
    unseen: list[Pair]
    seen: list[Pair]

    def pixels(self, number: int) -> np.ndarray:
        """Return a face at the network's size."""
        return self.shelf.get(number)[0]

    def kind(self, pair: Pair) -> str:
        """Return the species that a pair's target shows."""
        return self.pairs.kind_of(pair)

    def subject(self, pair: Pair) -> str | None:
        """Return who is shown."""
        return self.pairs.faces[pair.content].subject

    def case(self, pair: Pair, words: Words) -> Case:
        """Return a pair as a network would make it: a style of the kind, of somebody else."""
        parent = self.pairs.faces[pair.content]
        style = self.pixels(self.pairs.style_of(pair, words))
        made, content = self.pixels(pair.target), self.shelf.beside(pair, self.pairs.size_of(pair))
        return Case(made, content, style, self.kind(pair), parent.sample_id, parent.subject)


@dataclass
class Line:
    """What was made of one fault."""

    fault: str
    cases: int = 0
    refused: int = 0
    by: Counter = field(default_factory=Counter)


def world_of(dataset: Dataset, side: int) -> World:
    """Deal people into seen and unseen: one in five."""
    pairs = find_pairs(dataset, Pairing())
    shelf = Shelf(dataset, [face.image for face in pairs.faces], side)
    people = sorted({face.subject or face.sample_id for face in pairs.faces})
    people.sort(key=lambda one: Words.of("bench", one).word())
    out = set(people[: max(2, len(people) // 5)])
    unseen = [pair for pair in pairs.pairs if pairs.faces[pair.content].subject in out]
    seen = [pair for pair in pairs.pairs if pairs.faces[pair.content].subject not in out]
    return World(pairs, shelf, unseen, seen)


def judge_of(dataset: Dataset, world: World, side: int, folder: Path) -> Judge:
    """Fit the gates on the seen people alone: a copy of the dataset without the others."""
    from facedata.datasets.versions.filter import filter_rows

    names = sorted({world.subject(pair) for pair in world.unseen})
    told = ", ".join(f"'{name}'" for name in names)
    seen = filter_rows(dataset.root, f"subject not in ({told})", folder / "seen").root
    return fit_judge(Dataset.open(seen), Pairing(), side)


Fault = Callable[[World, Pair, Case, np.random.Generator], Case | None]


def _choice(pairs: list[Pair], draw: np.random.Generator) -> Pair | None:
    return pairs[int(draw.integers(len(pairs)))] if pairs else None


def wrong_person(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case | None:
    """Return the same attack on another unseen person's face."""
    found = _choice(
        [
            one
            for one in world.unseen
            if world.subject(one) != world.subject(pair) and world.kind(one) == world.kind(pair)
        ],
        draw,
    )
    return replace(case, made=world.pixels(found.target)) if found else None


def other_attack(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case | None:
    """Claim that the attack is one of another family."""
    return _claimed(world, case, draw, same=False)


def other_species(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case | None:
    """Claim that it is another species of the same family."""
    return _claimed(world, case, draw, same=True)


def _claimed(world: World, case: Case, draw: np.random.Generator, same: bool) -> Case | None:
    family = case.kind.partition("/")[0]
    kinds = [
        kind for kind in world.pairs.kinds if kind != case.kind and (kind.partition("/")[0] == family) is same
    ]
    if not kinds:
        return None
    kind = kinds[int(draw.integers(len(kinds)))]
    found = _choice([one for one in world.seen + world.unseen if world.kind(one) == kind], draw)
    # The style is of the kind that is claimed, so that quality gives nothing away by itself.
    return replace(case, kind=kind, style=world.pixels(found.target)) if found else None


def unchanged(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Return the live face as it was."""
    return replace(case, made=case.content)


def copied(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case | None:
    """Return a training picture, as if its own live face had been asked for, through JPEG at 85."""
    found = _choice(world.seen, draw)
    if found is None:
        return None
    known = world.case(found, Words.of("copied", int(draw.integers(2**31))))
    _, data = cv2.imencode(".jpg", known.made, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return replace(known, made=cv2.imdecode(data, cv2.IMREAD_COLOR))


def blank(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Return one colour, and a code of noise."""
    colour = draw.integers(40, 200, 3)
    return replace(case, made=np.clip(colour + draw.normal(0, 1, case.made.shape), 0, 255).astype(np.uint8))


def noise(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Return white noise about the picture's own mean."""
    made = draw.normal(case.made.mean(axis=(0, 1)), 40, case.made.shape)
    return replace(case, made=np.clip(made, 0, 255).astype(np.uint8))


def noisy(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Add noise of 20 codes."""
    made = case.made + draw.normal(0, 20, case.made.shape)
    return replace(case, made=np.clip(made, 0, 255).astype(np.uint8))


def blurred(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Blur by 2 px."""
    return replace(case, made=cv2.GaussianBlur(case.made, (0, 0), 2))


def gridded(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Add a grid of 2 px, 6 codes deep, as upsampling leaves it."""
    rows, columns = np.indices(case.made.shape[:2])
    made = case.made + 6.0 * (((rows + columns) % 2) * 2 - 1)[:, :, None]
    return replace(case, made=np.clip(made, 0, 255).astype(np.uint8))


def headless(world: World, pair: Pair, case: Case, draw: np.random.Generator) -> Case:
    """Paint the face over with what is around it."""
    side = case.made.shape[0]
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, (side // 2, side // 2), (int(side * 0.36), int(side * 0.45)), 0, 0, 360, 255, -1)
    return replace(case, made=np.asarray(cv2.inpaint(case.made, mask, 3, cv2.INPAINT_TELEA), np.uint8))


FAULTS: dict[str, Fault] = {
    "wrong person": wrong_person,
    "wrong attack, another family": other_attack,
    "wrong attack, the same family": other_species,
    "the live face unchanged": unchanged,
    "copied training picture": copied,
    "blank": blank,
    "noise alone": noise,
    "noise of 20 codes on it": noisy,
    "blurred by 2 px": blurred,
    "grid of 2 px, 6 codes": gridded,
    "face painted over": headless,
}


def measure(world: World, judge: Judge, count: int, seed: int) -> list[Line]:
    """Judge up to `count` sound pictures, then each with every fault."""
    sound = Line("none: sound pictures")
    lines = {name: Line(name) for name in FAULTS}
    order = sorted(world.unseen, key=lambda pair: Words.of(seed, "case", pair.target).word())[:count]
    for number, pair in enumerate(order):
        case = world.case(pair, Words.of(seed, "style", pair.target))
        _judge(sound, judge, case)
        for place, (name, fault) in enumerate(FAULTS.items()):
            planted = fault(world, pair, case, np.random.default_rng([seed, number, place]))
            if planted is not None:
                _judge(lines[name], judge, planted)
    return [sound, *lines.values()]


def _judge(line: Line, judge: Judge, case: Case) -> None:
    refused = refusals(judge.scores(case))
    line.cases += 1
    line.refused += bool(refused)
    line.by.update(refused.keys())


def table(lines: list[Line]) -> str:
    """Return a Markdown table: recall of each fault, precision against as many sound pictures, who saw it."""
    sound = lines[0]
    false = sound.refused / sound.cases
    rows = ["| Planted | Pictures | Recall | Precision | Refused by |", "|---|---:|---:|---:|---|"]
    for line in lines:
        share = line.refused / line.cases if line.cases else float("nan")
        by = ", ".join(f"{gate} {line.by[gate] / line.cases:.2f}" for gate in GATES if line.by[gate])
        precision = f"{share / (share + false):.3f}" if share + false and line is not sound else ""
        told = f"({share:.3f} refused)" if line is sound else f"{share:.3f}"
        rows.append(f"| {line.fault} | {line.cases} | {told} | {precision} | {by or 'none'} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table, or write it."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", type=Path)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    told = parser.parse_args()
    dataset = Dataset.open(told.training)
    world = world_of(dataset, told.side)
    with tempfile.TemporaryDirectory() as folder:
        judge = judge_of(dataset, world, told.side, Path(folder))
    known = ", ".join(f"{name} {value:.3f}" for name, value in judge.about.known.items())
    text = f"{table(measure(world, judge, told.count, told.seed))}\n\nOf people in turn left out: {known}."
    print(text)
    if told.write:
        write_between(told.write, "planted", f"\n{text}\n")


if __name__ == "__main__":
    main()
