"""The run with Gemini, single requests and batches, from the command line to a real HTTP server."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import time

import pytest
from annotate_parts import ANSWER, facedata, make_dataset, start, write_task
from annotate_servers import Gemini as GeminiServer
from annotate_servers import Reply, gemini_error, gemini_response, retry_info, serving

from facedata.annotate.providers.gemini_batch import GeminiBatch
from facedata.datasets.instructions import read_records

# The SDK of Gemini derives a class from aiohttp's session, of which aiohttp warns.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

KEY = "AIza-secret-9876543210"


@pytest.fixture
def place(tmp_path):
    make_dataset(tmp_path, 6)
    write_task(tmp_path / "t.yaml")
    return tmp_path


@pytest.fixture
def gemini():
    with serving(GeminiServer(ANSWER)) as server:
        yield server


def gemini_flags(server, *more):
    address = ("--model", "gemini-2.5-flash", "--base-url", server.url)
    return ("--task-file", "t.yaml", "ds", "--provider", "gemini", *address, "-o", "out", "--json", *more)


def test_batch_mode_from_the_command_line_and_again_for_nothing(place, gemini):
    flags = gemini_flags(gemini, "--batch", "--poll", "0.05", "--overwrite")
    out, err = facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)
    told = json.loads(out)
    assert (told["records"], told["asked"], told["from_journal"]) == (6, 6, 0)
    # Half of 0.30 and 2.50 for 300 tokens of prompt and 30 of output, six times.
    assert told["cost"] == pytest.approx(6 * (300 * 0.15 + 30 * 1.25) / 1e6)
    assert "batches/b0: 6 answers" in err
    calls = len(gemini.asked)
    told = json.loads(facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], told["asked"], told["from_journal"], told["cost"]) == (6, 0, 6, 0.0)
    assert len(gemini.asked) == calls


def test_a_hung_gemini_is_given_up_and_asked_again(place, gemini):
    gemini.script = [Reply(gemini_response(json.dumps(ANSWER)), delay=30)]
    began = time.monotonic()
    flags = gemini_flags(gemini, "--timeout", "0.5")
    told = json.loads(facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], told["retried"], len(gemini.asked)) == (6, 1, 7)
    assert time.monotonic() - began < 20


def test_whatever_gemini_does_no_byte_of_the_key_stays(place, gemini):
    """Failures that repeat the key, at every point of a run, with traces on."""
    echo = f"you sent {KEY}"
    blocked = {"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": echo}}
    gemini.script = [
        *(gemini_error(500, "INTERNAL", echo), Reply(echo.encode())),
        *(Reply(gemini_response(echo)), Reply(blocked), gemini_error(400, "INVALID_ARGUMENT", echo)),
    ]
    flags = gemini_flags(gemini, "--overwrite")
    process = start(*flags, "--concurrency", 1, cwd=place, GEMINI_API_KEY=KEY, FACEDATA_TRACEBACK="1")
    said = [*process.communicate(timeout=60)]
    assert process.returncode == 3, said
    gemini.script = [gemini_error(400, "INVALID_ARGUMENT", echo, {"reason": "API_KEY_INVALID"})] * 8
    said += facedata(*flags, "--draws", 2, cwd=place, code=1, GEMINI_API_KEY=KEY)
    gemini.script = [gemini_error(403, "PERMISSION_DENIED", echo)]
    said += facedata(*flags, "--draws", 2, "--batch", cwd=place, code=1, GEMINI_API_KEY=KEY)
    assert "Traceback" not in "".join(said)
    assert any(KEY in head.get("x-goog-api-key", "") for head in gemini.heads)  # it was sent
    assert KEY not in "".join(said)
    left = [path for path in place.rglob("*") if path.is_file()]
    assert {"answers.sqlite", "instructions.parquet", "dataset.json"} <= {path.name for path in left}
    assert [path for path in left if KEY.encode() in path.read_bytes()] == []
    for table in ("journal", "batches"):  # what SQLite spreads over pages
        with contextlib.closing(sqlite3.connect(place / ".facedata" / "answers.sqlite")) as journal:
            assert KEY not in repr(journal.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608
    for record in read_records(place / "out"):  # what Parquet compresses
        assert KEY not in repr(record)


def test_a_budget_is_asked_up_in_jobs_and_never_exceeded(place, gemini):
    """Beforehand a request may cost 100 x 1.25 + about 320 x 0.15 micro-dollars, in truth 82.5."""
    flags = gemini_flags(gemini, "--batch", "--poll", "0.05", "--max-tokens", 100, "--budget", "0.0004")
    out, err = facedata(*flags, cwd=place, code=3, GEMINI_API_KEY=KEY)
    told = json.loads(out)
    assert len(gemini.batches) == 2  # two are affordable for sure, then one more
    assert (told["records"], told["unanswered"]) == (3, 3)
    assert told["cost"] == pytest.approx(3 * 82.5e-6)
    assert "3 requests were not sent: they could exceed the budget of 0.0004 USD" in err


def test_rows_that_nobody_can_place_are_paid_for_and_asked_again(place, gemini):
    gemini.rows = {1: {"response": gemini_response(json.dumps({"request_key": "0" * 16, **ANSWER}))}}
    out, err = facedata(*gemini_flags(gemini, "--batch", "--poll", "0.05"), cwd=place, GEMINI_API_KEY=KEY)
    told = json.loads(out)
    assert (told["records"], len(gemini.batches)) == (6, 2)
    assert (told["asked"], told["usage"]["prompt"]) == (7, 7 * 300)
    assert "a row carries the key 0000000000000000, which no request has" in err


def test_a_batch_outlives_the_run_that_sent_it(place, gemini):
    gemini.polls = 10**6
    flags = gemini_flags(gemini, "--batch", "--poll", "0.05")
    process = start(*flags, cwd=place, GEMINI_API_KEY=KEY)
    while not any("GET" in where for where, _ in gemini.asked):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    gemini.batches["batches/b0"]["polls"] = 0
    told = json.loads(facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], len(gemini.batches)) == (6, 1)


def test_ctrl_c_leaves_a_batch_to_the_server(place, gemini):
    gemini.polls = 10**6
    flags = gemini_flags(gemini, "--batch", "--poll", "60")
    process = start(*flags, cwd=place, GEMINI_API_KEY=KEY)
    while not any("GET" in where for where, _ in gemini.asked):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)  # it does not wait for the next look
    assert process.returncode == 130
    assert "jobs that were sent go on at the server, run again to fetch them" in err
    gemini.batches["batches/b0"]["polls"] = 0
    told = json.loads(facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], len(gemini.batches)) == (6, 1)


def test_a_batch_that_cannot_be_asked_after_is_not_sent_again(place, gemini):
    """A key that was withdrawn meanwhile: the job goes on at the server, and is paid for."""
    gemini.polls = 10**6
    flags = gemini_flags(gemini, "--batch", "--poll", "0.05")
    process = start(*flags, cwd=place, GEMINI_API_KEY=KEY)
    while not any("GET" in where for where, _ in gemini.asked):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    gemini.script = [gemini_error(403, "PERMISSION_DENIED", f"{KEY} may not")]
    _, err = facedata(*flags, cwd=place, code=1, GEMINI_API_KEY=KEY)
    assert "batches/b0 cannot be fetched: the server refused the key (403)" in err
    gemini.polls = gemini.batches["batches/b0"]["polls"] = 0
    told = json.loads(facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], len(gemini.batches)) == (6, 1)


def test_a_batch_that_is_gone_is_sent_again(place, gemini):
    flags = gemini_flags(gemini, "--batch", "--poll", "0.05")
    gemini.state = "BATCH_STATE_EXPIRED"
    _, err = facedata(*flags, cwd=place, code=1, GEMINI_API_KEY=KEY)
    assert "batches/b0 ended as JOB_STATE_EXPIRED" in err
    gemini.state = "BATCH_STATE_SUCCEEDED"
    told = json.loads(facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], len(gemini.batches)) == (6, 2)


def test_jobs_keep_to_their_size_and_big_pictures_go_as_files(place, gemini, monkeypatch):
    sizes = sorted(len(path.read_bytes()) for path in (place / "pictures").rglob("*.jpg"))
    most = 4 * (4 * sizes[3] // 3 + 1200)
    monkeypatch.setattr(GeminiBatch, "batch_bytes", most)
    monkeypatch.setattr(GeminiBatch, "inline", sizes[3])
    big = sum(size > sizes[3] for size in sizes)
    assert 0 < big < 3
    out, _ = facedata(*gemini_flags(gemini, "--batch", "--poll", "0.05"), cwd=place, GEMINI_API_KEY=KEY)
    assert json.loads(out)["records"] == 6
    assert len(gemini.uploads) == big
    jobs = [
        int(head["content-length"])
        for (where, _), head in zip(gemini.asked, gemini.heads, strict=True)
        if "batchGenerateContent" in where
    ]
    assert len(jobs) > 1
    assert max(jobs) <= most


def test_an_upload_that_fails_is_told_like_any_failure(place, gemini, monkeypatch):
    monkeypatch.setattr(GeminiBatch, "inline", 1)
    gemini.script = [gemini_error(403, "PERMISSION_DENIED", f"{KEY} may not")]
    _, err = facedata(
        *gemini_flags(gemini, "--batch", "--poll", "0.05"), cwd=place, code=1, GEMINI_API_KEY=KEY
    )
    assert "no batch could be sent: the server refused the key (403)" in err


def test_a_batch_is_found_by_its_label_where_its_name_was_not_heard(place, gemini):
    flags = gemini_flags(gemini, "--batch", "--poll", "0.05")
    facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)
    journal = place / ".facedata" / "answers.sqlite"
    connection = sqlite3.connect(journal)
    with connection:
        connection.execute("DELETE FROM journal")
        connection.execute("UPDATE batches SET name = NULL, done = 0")
    connection.close()
    told = json.loads(facedata(*flags, "--overwrite", cwd=place, GEMINI_API_KEY=KEY)[0])
    assert (told["records"], len(gemini.batches)) == (6, 1)


def test_gemini_waits_as_told_and_reports_what_stays_unanswered(place, gemini):
    gemini.script = [
        gemini_error(429, "RESOURCE_EXHAUSTED", "slow", retry_info("0.5s")),
        Reply(gemini_response("no json")),  # sent back once
        Reply(gemini_response(json.dumps(ANSWER))),
        Reply(gemini_response(None, "SAFETY")),
        gemini_error(400, "INVALID_ARGUMENT", "bad picture"),
    ]
    out, _ = facedata(*gemini_flags(gemini, "--concurrency", 1), cwd=place, code=3, GEMINI_API_KEY=KEY)
    told = json.loads(out)
    assert gemini.times[1] - gemini.times[0] >= 0.5
    assert (told["by_status"], told["unanswered"]) == ({"accept": 4, "blocked": 1}, 1)
    assert told["problems"][0]["detail"] == "the server failed (400): bad picture"
    assert len(gemini.asked) == 6 + 1 + 1  # one more for the delay, one for the repair


def test_a_dry_run_says_what_a_run_costs_and_needs_no_key(place, gemini, monkeypatch):
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    flags = (*gemini_flags(gemini), "--max-tokens", 100)
    facedata(*flags, cwd=place, code=2)  # to ask it needs one
    told = json.loads(facedata(*flags, "--dry-run", cwd=place)[0])
    assert (told["requests"], told["in_journal"], told["to_ask"], gemini.asked) == (6, 0, 6, [])
    assert told["usage"]["output"] == 6 * 100
    assert told["cost"] == pytest.approx((told["usage"]["prompt"] * 0.30 + 600 * 2.50) / 1e6)
    half = json.loads(facedata(*flags, "--dry-run", "--batch", cwd=place)[0])
    assert half["cost"] == pytest.approx(told["cost"] / 2)
    facedata(*flags, cwd=place, GEMINI_API_KEY=KEY)
    after = json.loads(facedata(*flags, "--dry-run", cwd=place)[0])
    assert (after["in_journal"], after["to_ask"], after["cost"]) == (6, 0, 0.0)
    out, _ = facedata(*flags[:-3], "--model", "gemini-of-tomorrow", "--dry-run", cwd=place)
    assert "cost     at most unknown (say the price with --price IN,OUT)" in out
