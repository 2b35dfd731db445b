"""Samples, answers and files of both, from which scores can be worked out on paper."""

from __future__ import annotations

import pyarrow.parquet as pq

from facedata.annotate.score.bootstrap import Draws
from facedata.annotate.score.run import Scoring, score
from facedata.datasets.dataset import SAMPLES_NAME
from facedata.datasets.instructions import INSTRUCTIONS_NAME, Part, Provenance, Record, Turn, to_table
from facedata.datasets.record import RECORD_NAME, Counts
from facedata.datasets.record import Record as DatasetRecord
from facedata.datasets.sample import Sample
from facedata.datasets.sample import to_table as sample_table

TASK = "explain-expression"


def sample(name, subject=None, **values):
    reference = {"image": f"images/{name}.png", "content_hash": "0" * 64, "width": 40, "height": 30}
    return Sample(sample_id=name, subject=subject, **reference, **values)


def answer(name, structured=None, text="", task=TASK, status="accept", evidence=None, draw=0):
    turns = [Turn(role="user", content=(Part(type="text", text="AU4 happiness?"),))]
    turns += [Turn(role="assistant", content=(Part(type="text", text=text),))]
    return Record(
        record_id=f"{name}-{task}-{draw}",
        sample_id=name,
        task=task,
        messages=tuple(turns) if text else (),
        structured=structured or {},
        evidence=evidence or {},
        provenance=Provenance(
            task_version=1, template="", response_schema="", provider="made", model="up", request=""
        ),
        status=status,
    )


def units(*numbers, **levels):
    graded = [{"au": int(name[2:]), "intensity": level} for name, level in levels.items()]
    return [{"au": number} for number in numbers] + graded


def write(root, samples=None, records=None):
    """A dataset, or a folder of records alone."""
    root.mkdir(parents=True, exist_ok=True)
    if samples is not None:
        pq.write_table(sample_table(samples), root / SAMPLES_NAME)
        record = DatasetRecord(
            version="0" * 32, verb="test", layout="files", counts=Counts(rows=len(samples))
        )
        (root / RECORD_NAME).write_text(record.model_dump_json(), "utf-8")
    if records is not None:
        pq.write_table(to_table(records), root / INSTRUCTIONS_NAME)
    return root


def scored(tmp_path, samples, records, references=None, **options):
    truth = write(tmp_path / "truth", samples, references)
    answers = write(tmp_path / "answers", None, records)
    return score(truth, answers, Scoring(draws=Draws(50), **options))


def value(found, section, row, name, task=TASK):
    (one,) = [one for one in found.tasks if one.task == task]
    return one.measure(section, row, name).value


def row_of(found, section, name, task=TASK):
    (one,) = [one for one in found.tasks if one.task == task]
    (table,) = [table for table in one.sections if table.title == section]
    (line,) = [line for line in table.rows if line.name == name]
    return line
