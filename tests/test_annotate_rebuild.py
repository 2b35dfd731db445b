"""`facedata rebuild` of annotated datasets: from labels, from recorded answers, and never by asking again."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from annotate_parts import ANSWER, make_dataset, write_task
from annotate_servers import OpenAI as Server
from annotate_servers import Reply, openai_error, openai_response, serving
from test_cli_versions import facedata
from test_validate import edit_record

from facedata.annotate.tasks import Task, load_task, stock_tasks
from facedata.datasets.dataset import Dataset
from facedata.datasets.instructions import read_records

JOURNAL = Path(".facedata") / "answers.sqlite"


@pytest.fixture
def place(tmp_path):
    make_dataset(tmp_path, 6)
    write_task(tmp_path / "t.yaml")
    return tmp_path


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(Server(ANSWER)) as server:
        yield server


def annotate(place, server, output, *more, code=0):
    flags = ("--provider", "openai", "--model", "tiny-vlm", "--base-url", f"{server.url}/v1")
    return facedata(
        "annotate", "--task-file", "t.yaml", "ds", *flags, "-o", output, *more, cwd=place, code=code
    )


def rebuilt(place, name, *more, code=0):
    return json.loads(facedata("rebuild", name, "--json", *more, cwd=place, code=code).stdout)


def forget(place, where):
    connection = sqlite3.connect(place / JOURNAL)
    with connection:
        gone = connection.execute(f"DELETE FROM journal WHERE {where}").rowcount  # noqa: S608
    connection.close()
    return gone


@pytest.mark.parametrize("name", stock_tasks())
def test_a_record_holds_a_task_whole(name):
    task = load_task(name)
    for told in (task, task.asking(*task.offers)):
        again = Task.model_validate(
            json.loads(json.dumps(told.model_dump(mode="json", exclude_defaults=True)))
        )
        assert again == told
        assert again.template_hash == told.template_hash


def test_what_rules_wrote_is_written_again_though_the_task_is_gone(place):
    facedata("annotate", "--task-file", "t.yaml", "ds", "-o", "out", "--seed", 5, cwd=place)
    (place / "t.yaml").unlink()
    assert rebuilt(place, "out", "-o", "again")["same"]
    first, second = ((place / name / "instructions.parquet").read_bytes() for name in ("out", "again"))
    assert first == second
    assert "tasks tell" in facedata("log", "out", cwd=place).stdout
    edit_record(place / "out", lambda record: record["parameters"].pop("tasks"))
    done = facedata("rebuild", "out", cwd=place, code=1)
    assert "does not tell how it was annotated" in done.stderr


def test_answers_come_from_the_journal_each_as_it_was(place, server):
    """Blocked, sent back, given up for good: and what later runs were answered changes nothing."""
    server.script = [
        Reply(openai_response(None, refusal="no") | {"id": "first"}),
        Reply(openai_response("no json") | {"id": "second"}),
        Reply(openai_response(json.dumps(ANSWER)) | {"id": "third"}),  # to the repair
        openai_error(400, "picture too small"),
    ]
    flags = ("--concurrency", 1, "--price", "1,10")
    annotate(place, server, "some", *flags, code=3)
    assert Dataset.open(place / "some").record.counts.instructions == {"tell": {"accept": 4, "blocked": 1}}
    annotate(place, server, "all", *flags, "--again", "blocked")
    assert Dataset.open(place / "all").record.counts.instructions == {"tell": {"accept": 6}}
    versions = {name: rebuilt(place, name)["rebuilt"] for name in ("some", "all")}
    assert versions == {name: Dataset.open(place / name).version for name in versions}
    assert len(set(versions.values())) == 2
    annotate(place, server, "controlled", "--swap", 0.9, "--draws", 2, "--temperature", 1)
    asked = len(server.asked)
    assert [rebuilt(place, name)["same"] for name in ("controlled", *versions)] == [True] * 3
    assert len(server.asked) == asked


def test_what_is_not_in_the_journal_is_named_and_not_asked(place, server):
    annotate(place, server, "out")
    (place / JOURNAL).rename(place / "kept.sqlite")
    done = facedata("rebuild", "out", cwd=place, code=2)
    assert "its answers came from openai" in done.stderr
    assert "--answers" in done.stderr
    assert rebuilt(place, "out", "--answers", "kept.sqlite")["same"]
    (place / "kept.sqlite").rename(place / JOURNAL)
    assert forget(place, "number > 4") == 2
    done = facedata("rebuild", "out", "-o", "again", cwd=place, code=2)
    assert "does not hold the answers that 2 of 6 records rest on; the first is of sample " in done.stderr
    ids = {record.sample_id for record in read_records(place / "out")}
    assert any(f"sample {one}, task tell" in done.stderr for one in ids)
    assert not (place / "again").exists()
    assert len(server.asked) == 6
    (place / "no journal").write_text("{}")
    done = facedata("rebuild", "out", "--answers", "no journal", cwd=place, code=2)
    assert "is no journal of answers" in done.stderr


def test_an_answer_that_was_changed_is_a_difference(place, server):
    annotate(place, server, "out")
    connection = sqlite3.connect(place / JOURNAL)
    with connection:
        connection.execute(
            "UPDATE journal SET outcome = replace(outcome, 'any sign', 'a sign') WHERE number = 1"
        )
    connection.close()
    found = rebuilt(place, "out", code=4)
    assert not found["same"]
    assert found["first"].startswith("instruction records differ")


def test_a_replay_is_replayed_again(place, server):
    annotate(place, server, "out")
    recorded = ("--provider", "replay", "--recorded", JOURNAL)
    facedata("annotate", "--task-file", "t.yaml", "ds", *recorded, "-o", "replayed", cwd=place)
    assert rebuilt(place, "replayed", "--answers", JOURNAL)["same"]
    forget(place, "number = 1")
    done = facedata("rebuild", "replayed", "--answers", JOURNAL, cwd=place, code=2)
    assert "1 of 6 records" in done.stderr


def test_records_that_were_there_before_are_carried(place, server):
    """A second provider's records beside the first one's, in one dataset."""
    annotate(place, server, "one")
    facedata("annotate", "--task-file", "t.yaml", "one", "-o", "two", cwd=place)
    flags = ("--provider", "openai", "--model", "other", "--base-url", f"{server.url}/v1")
    facedata("annotate", "--task-file", "t.yaml", "two", *flags, "-o", "three", cwd=place)
    assert Dataset.open(place / "three").record.counts.instructions == {"tell": {"accept": 18}}
    assert [rebuilt(place, name)["same"] for name in ("one", "two", "three")] == [True] * 3


def test_labels_are_adjudicated_again_from_what_they_were_made_of(place, server):
    """Detections of AU12, and a model's votes on them."""
    told = {"openface": {"au_domain": [1, 12], "au_present": [12], "origin": "detector"}}
    text = json.dumps(told).replace('"', '""')
    ids = [sample.sample_id for sample in Dataset.open(place / "ds")]
    lines = [f'{sid},attributes.detected,,"{text}"' for sid in ids] + [
        f"{sid},au_domain,,1" for sid in ids[:3]
    ]
    (place / "e.csv").write_text("sid,field,old,new\n" + "\n".join(lines) + "\n")
    facedata("edit", "ds", "e.csv", "-o", "seen", cwd=place)
    server.answer = {"aus": [{"au": 12, "name": "lip corner puller"}], "absent": [1]}
    flags = ("--provider", "openai", "--model", "tiny-vlm", "--base-url", f"{server.url}/v1", "--no-repair")
    facedata("annotate", "code-aus", "seen", *flags, "-o", "votes", cwd=place)
    verb = (
        "annotate",
        "au",
        "seen",
        "--answers",
        "votes",
        "--threshold",
        0.6,
        "--reliability",
        "detector=0.8",
    )
    facedata(*verb, "-o", "sure", cwd=place)
    record = Dataset.open(place / "sure").record
    assert [parent.name for parent in record.parents] == ["seen", "votes"]
    adjudicated = [sample.attributes["adjudicated"]["au"] for sample in Dataset.open(place / "sure")]
    assert all(set(one) == {"1", "12"} for one in adjudicated), adjudicated
    assert not list(read_records(place / "sure"))  # nothing of what was only read is carried
    assert rebuilt(place, "sure")["same"]
    assert "annotate: adjudicated au" in facedata("log", "sure", cwd=place).stdout
    (place / "votes").rename(place / "elsewhere")
    (place / "elsewhere" / "dataset.json").rename(place / "kept.json")
    done = facedata("rebuild", "sure", cwd=place, code=2)
    assert "it was made from votes, version" in done.stderr
