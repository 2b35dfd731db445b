"""Small datasets for the tests of versions."""

from __future__ import annotations

from pathlib import Path

from conftest import jpeg
from engine_tasks import Invert

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.sample import Sample
from facedata.datasets.validate import validate


def make(faces: Path, target: Path, *, variants: int = 2, layout: str = "files", **reading) -> Path:
    """A dataset of the pictures and `variants` of each."""
    source = open_input(faces, Reading(**reading))
    run("test", Invert(variants=variants), source, target, 0, Options(layout=layout))
    return target


def listed(folder: Path, columns: str, lines: list[str], target: Path, **options) -> Path:
    """A dataset of a list, a picture of its own for each line."""
    folder.mkdir()
    for number in range(len(lines)):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    rows = [f"{number}.jpg,{line}" for number, line in enumerate(lines)]
    (folder / "list.csv").write_text("\n".join([f"path,{columns}", *rows]) + "\n")
    return make(folder / "list.csv", target, **options)


def samples(root: Path) -> list[Sample]:
    return list(Dataset.open(root))


def by_file(root: Path) -> dict[str, Sample]:
    """The ingested samples by the name of their source file."""
    return {s.source.file: s for s in samples(root) if s.parent_id is None}


def sound(root: Path) -> bool:
    """Whether validate finds nothing; what it finds is shown where this fails."""
    findings = validate(root).findings
    assert findings == []
    return True


def contents(root: Path) -> dict[str, bytes]:
    dataset = Dataset.open(root)
    return {sample.sample_id: dataset.read(sample.image) for sample in dataset}
