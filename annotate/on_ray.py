"""Records written by the processes of a Ray cluster: a shard of samples each, from labels alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from facedata.annotate.answering import Unanswered
from facedata.annotate.ask import Spent
from facedata.annotate.providers.base import Provider
from facedata.annotate.providers.rules import Rules
from facedata.annotate.run import Asking, Tally, ask_some, finish
from facedata.annotate.spool import Spool, spelled
from facedata.annotate.tasks import Task
from facedata.datasets.dataset import Dataset
from facedata.datasets.instructions import Record
from facedata.datasets.pictures import DEFAULT_MAX_PIXELS
from facedata.datasets.pool import Hands, run_shards
from facedata.datasets.sample import Sample
from facedata.datasets.shard import ShardSpec
from facedata.datasets.sources import DatasetSource
from facedata.datasets.workplace import Workplace

__all__ = ["ask_on_ray"]

_SHARD = 1024  # samples: half a second or more of work
_RECORDS, _TALLY = "records", "tally.json"


@dataclass(frozen=True)
class _Asked:
    """What every shard is asked; tasks as they are told, since what they have compiled cannot travel."""

    root: Path
    tasks: tuple[dict[str, Any], ...]
    asking: Asking


@dataclass(frozen=True, slots=True)
class _Shard(ShardSpec):
    """Samples to write records of."""

    def fill(self, work: Path) -> None:
        """Write the records, and what they come to."""
        asked: Any = self.task
        samples = [item.sample for item in self.items if item.place not in self.quarantined]  # type: ignore[attr-defined]
        tasks = [Task.model_validate(told) for told in asked.tasks]
        with (work / _RECORDS).open("w", encoding="utf-8") as file:
            tally = ask_some(
                _Part(Dataset.open(asked.root), samples), tasks, Rules(), asked.asking, _Lines(file)
            )
        lost = [(place, task.name, reason) for place, reason in self.quarantined.items() for task in tasks]
        told = {
            "by_status": tally.by_status,
            "unanswered": tally.unanswered + len(lost),
            "problems": [*((one.sample_id, one.task, one.detail) for one in tally.problems), *lost],
            "passed_over": [(*key, count) for key, count in tally.passed_over.items()],
            "asked": tally.spent.asked,
        }
        (work / _TALLY).write_text(json.dumps(told), "utf-8")


class _Part(Dataset):
    """Some samples of a dataset."""

    def __init__(self, whole: Dataset, samples: Sequence[Sample]) -> None:
        super().__init__(whole.root, whole.record)
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)


@dataclass(frozen=True)
class _Lines:
    """Records as lines of a file: network storage is no place for a database."""

    file: TextIO

    def add(self, records: Iterable[Record]) -> None:
        """Write records."""
        self.file.writelines("\t".join(spelled(record)) + "\n" for record in records)


def ask_on_ray(
    dataset: Dataset,
    tasks: Sequence[Task],
    provider: Provider,
    asking: Asking,
    spool: Spool,
    workers: int,
    place: Workplace,
) -> Tally:
    """Do what `ask_all` does, by the cluster that this process is connected to; of `rules` alone."""
    parts = place.spool.with_suffix(".parts")
    shutil.rmtree(parts, ignore_errors=True)  # of a run that was killed
    parts.mkdir()
    plain = Asking(asking.seed, asking.draws, asking.sampling, asking.limits, repair=asking.repair)
    told = tuple(task.model_dump(mode="json", exclude_defaults=True) for task in tasks)
    asked: Any = _Asked(dataset.root.resolve(), told, dataclasses.replace(plain, swap=asking.swap))
    specs = (
        _Shard(f"part-{prefix}", tuple(items), asked, str(parts), "files", None, DEFAULT_MAX_PIXELS)
        for prefix, items in DatasetSource(dataset).shards(_SHARD)
    )
    tally = Tally(spent=Spent(cost=0.0))
    done, expected = 0, len(dataset) * len(tasks) * asking.draws
    try:
        for path in run_shards(specs, Hands("ray", workers, (__name__,))):
            done += _gather(Path(path), spool, tally, asking.draws)
            if asking.progress:
                asking.progress(done, expected)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    finish(tally, tasks, provider, spool)
    return tally


def _gather(part: Path, spool: Spool, tally: Tally, draws: int) -> int:
    """Add a part to the spool and to the tally; return how many jobs it did or passed over."""
    told = json.loads((part / _TALLY).read_text("utf-8"))
    with (part / _RECORDS).open(encoding="utf-8", newline="\n") as file:
        lines = (line.rstrip("\n").partition("\t") for line in file)
        spool.add_spelled((name, text) for name, _, text in lines)
    shutil.rmtree(part)
    tally.by_status.update(told["by_status"])
    tally.unanswered += told["unanswered"]
    tally.problems += [Unanswered(*one) for one in told["problems"]][: max(0, 20 - len(tally.problems))]
    passed = Counter({(task, key): count for task, key, count in told["passed_over"]})
    tally.passed_over.update(passed)
    tally.spent.asked += told["asked"]
    answered: int = sum(told["by_status"].values()) + told["unanswered"]
    return answered + passed.total() * draws
