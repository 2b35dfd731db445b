"""The run: planned, limited, written down, stopped and gone on with; against real HTTP servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
from annotate_parts import ANSWER, make_dataset, make_requests, write_task
from annotate_servers import Gemini as GeminiServer
from annotate_servers import OpenAI as OpenAIServer
from annotate_servers import (
    Reply,
    gemini_error,
    gemini_response,
    openai_error,
    openai_response,
    retry_info,
    serving,
)
from typer.testing import CliRunner

from facedata.annotate.ask import Asker, Limits
from facedata.annotate.flight import in_flight
from facedata.annotate.providers.base import Outcome, Price
from facedata.annotate.providers.gemini_batch import GeminiBatch
from facedata.annotate.providers.openai import OpenAI
from facedata.annotate.run import Asking, ask_all, plan
from facedata.annotate.spool import Spool
from facedata.annotate.store import Store
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.cli.annotate import app as annotate_app
from facedata.cli.main import app
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import read_records

# The SDK of Gemini derives a class from aiohttp's session, of which aiohttp warns.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

KEY = "sk-secret-9876543210"
COMMAND = [sys.executable, "-c", "from facedata.cli.main import run; run()"]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(OpenAIServer(ANSWER)) as server:
        yield server


def asked_through(server, folder, limits, count=3, price=None, **given):
    """Ask about `count` faces; return the outcomes and the asker."""

    async def run():
        provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1", price=price)
        with Store(folder / "journal", **given) as store:
            asker = Asker(provider, store, limits)
            requests = make_requests(folder, count) if isinstance(count, int) else count
            found = [one async for one in in_flight(requests, asker.ask, limits.concurrency)]
            await provider.close()
            return [one.outcome for one in found], asker

    return asyncio.run(run())


def test_a_server_that_wants_to_be_left_alone_is(server, tmp_path):
    server.script = [openai_error(429, "slow", **{"retry-after-ms": "600"})]
    outcomes, asker = asked_through(server, tmp_path, Limits(concurrency=1))
    assert [one.status for one in outcomes] == ["ok"] * 3
    assert server.times[1] - server.times[0] >= 0.6
    assert (asker.spent.asked, asker.spent.retried) == (4, 1)


def test_a_server_that_wants_hours_ends_the_run(server, tmp_path):
    server.script = [openai_error(429, "slow", **{"retry-after": "7200"})]
    _, asker = asked_through(server, tmp_path, Limits(concurrency=1))
    assert len(server.asked) == 1
    assert asker.ended.endswith("the server asks to wait for 7200 s, run again then")


def test_a_hung_socket_is_given_up_and_tried_again(server, tmp_path):
    server.script = [Reply(openai_response("{}"), delay=30)]
    began = time.monotonic()
    outcomes, asker = asked_through(server, tmp_path, Limits(patience=0.4), count=1)
    assert (outcomes[0].status, asker.spent.retried) == ("ok", 1)
    assert time.monotonic() - began < 20


def test_errors_are_tried_so_often_and_no_more(server, tmp_path):
    server.script = [openai_error(500, "oops")] * 3
    outcomes, _ = asked_through(server, tmp_path, Limits(attempts=3), count=1)
    assert (outcomes[0].status, len(server.asked)) == ("error", 3)
    with sqlite3.connect(tmp_path / "journal") as journal:  # every attempt is a line
        assert journal.execute("SELECT status, count(*) FROM journal GROUP BY 1").fetchall() == [("error", 3)]
    journal.close()


def test_a_wrong_key_ends_the_run(server, tmp_path):
    server.script = [openai_error(401, f"wrong {KEY}")] * 9
    _, asker = asked_through(server, tmp_path, Limits(concurrency=1), count=9)
    assert len(server.asked) == 1
    assert "OPENAI_API_KEY" in asker.ended


def test_a_server_that_is_down_ends_the_run(server, tmp_path):
    server.url = "http://127.0.0.1:1"
    outcomes, asker = asked_through(server, tmp_path, Limits(concurrency=8, attempts=1), count=40)
    assert asker.ended.startswith("16 requests in a row")
    assert Counter(one.detail[:9] for one in outcomes)["not asked"] >= 40 - 16 - 8


def test_the_same_request_asked_at_once_is_sent_once(server, tmp_path):
    server.latency = 0.1
    (request,) = make_requests(tmp_path, 1)
    outcomes, _ = asked_through(server, tmp_path, Limits(), count=[request] * 6)
    assert ([one.status for one in outcomes], len(server.asked)) == (["ok"] * 6, 1)


def test_requests_a_minute(server, tmp_path):
    asked_through(server, tmp_path, Limits(concurrency=8, requests_per_minute=300), count=9)
    # A bucket of five, filled by five a second: the last four take 0.2 s each.
    assert server.times[-1] - server.times[0] >= 0.75


def test_the_budget_is_never_exceeded_and_what_it_allows_is_asked(server, tmp_path):
    # Each answer costs 300 x 1 + 30 x 10 = 600 micro-dollars; beforehand 64 x 10 is feared for the output and
    # not more than 100 for the prompt.
    price = Price(1.0, 10.0)
    limits = Limits(concurrency=8, budget=0.005)
    outcomes, asker = asked_through(server, tmp_path, limits, count=12, price=price)
    answered = sum(one.status == "ok" for one in outcomes)
    assert asker.spent.cost == pytest.approx(answered * 600e-6)
    assert asker.spent.cost <= 0.005
    assert answered == 8  # seven cost 0.0042, so an eighth fits; eight cost 0.0048, so a ninth does not
    assert {one.detail for one in outcomes if one.status != "ok"} == {
        "not asked: it could exceed the budget of 0.005 USD"
    }


def test_a_budget_holds_with_64_in_flight(server, tmp_path):
    """What the server billed, whoever was under way at the same time: answers as dear as they may be."""
    server.latency = 0.05
    price = Price(1.0, 10.0)
    requests = make_requests(tmp_path, 100)
    dear = {"prompt_tokens": 50, "completion_tokens": 64, "total_tokens": 114}
    server.usual = lambda *_: Reply(openai_response(json.dumps(ANSWER)) | {"usage": dear})
    limits = Limits(concurrency=64, budget=0.03)
    _, asker = asked_through(server, tmp_path, limits, count=requests, price=price)
    billed = len(server.asked) * (50 * 1.0 + 64 * 10.0) / 1e6
    assert asker.spent.cost == pytest.approx(billed)
    assert 0.03 - 0.001 < billed <= 0.03


def test_a_budget_needs_a_price(server, tmp_path):
    with pytest.raises(UsageError, match="--price IN,OUT"):
        asked_through(server, tmp_path, Limits(budget=1.0), count=1)


def test_the_journal_answers_the_exact_request_and_again_asks_anew(server, tmp_path):
    requests = make_requests(tmp_path, 2)
    server.script = [Reply(openai_response(None, refusal="no"))]
    limits = Limits(concurrency=1)
    asked_through(server, tmp_path, limits, count=requests)
    outcomes, asker = asked_through(server, tmp_path, limits, count=requests)
    assert [one.status for one in outcomes] == ["blocked", "ok"]
    assert (len(server.asked), asker.spent.asked, asker.spent.from_journal) == (2, 0, 2)
    outcomes, _ = asked_through(server, tmp_path, limits, count=requests, again=("blocked",))
    assert ([one.status for one in outcomes], len(server.asked)) == (["ok", "ok"], 3)
    warmer = [replace(one, sampling=replace(one.sampling, temperature=0.5)) for one in requests]
    asked_through(server, tmp_path, limits, count=warmer)
    assert len(server.asked) == 5


def test_an_answer_is_in_the_journal_before_it_is_read(server, tmp_path):
    """What a task makes of an answer may fail; the answer was paid for and stays."""
    task = load_task(write_task(tmp_path / "t.yaml", turns=[{"ask": ["?"], "answer": "{{ 1 / 0 }}"}]))
    provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1")
    asking = Asking(journal=tmp_path / "journal")
    with pytest.raises(UsageError, match="a template failed"):
        ask_all(make_dataset(tmp_path, 1), [task], provider, asking, Spool(tmp_path / "spool"))
    with Store(tmp_path / "journal") as store:
        assert len(store) == 1


def test_a_task_that_fails_on_one_answer_loses_none_of_the_others(server, tmp_path):
    turns = [{"ask": ["?"], "answer": "{{ 1 / (response.words | length - 3) }}"}]
    task = load_task(write_task(tmp_path / "t.yaml", turns=turns))
    server.script = [Reply(openai_response(json.dumps({**ANSWER, "words": "odd"})))]
    server.usual = lambda *_: Reply(openai_response(json.dumps(ANSWER)), delay=0.5)
    provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1")
    asking = Asking(journal=tmp_path / "journal", limits=Limits(concurrency=4))
    with pytest.raises(UsageError, match="a template failed"):
        ask_all(make_dataset(tmp_path, 8), [task], provider, asking, Spool(tmp_path / "spool"))
    with Store(tmp_path / "journal") as store:
        assert len(store) == len(server.asked) == 4


def test_the_price_of_an_answer_is_that_of_its_day(tmp_path, server):
    requests = make_requests(tmp_path, 1)
    asked_through(server, tmp_path, Limits(), count=requests, price=Price(1.0, 10.0))
    outcomes, asker = asked_through(server, tmp_path, Limits(), count=requests, price=Price(9.0, 90.0))
    assert (outcomes[0].cost, asker.spent.cost) == (pytest.approx(600e-6), 0.0)


def test_the_plan_counts_and_sends_nothing(server, tmp_path):
    dataset, task = make_dataset(tmp_path, 4), load_task(write_task(tmp_path / "t.yaml"))
    provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1", price=Price(0.0, 10.0))
    asking = Asking(journal=tmp_path / "deep" / "journal", draws=2)
    planned = plan(dataset, [task], provider, asking)
    assert (planned.requests, planned.in_journal, len(server.asked)) == (8, 0, 0)
    assert planned.cost == pytest.approx(8 * 2048 * 10 / 1e6)
    assert not asking.journal.parent.exists()
    ask_all(dataset, [task], provider, asking, Spool(tmp_path / "spool"))
    assert plan(dataset, [task], provider, asking).in_journal == 8


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


def test_memory_holds_nothing_of_a_free_run(tmp_path):
    with Store(None) as store:
        store.put("key", "question", Outcome(status="ok"))
        assert (store.get("key"), len(store)) == (None, 0)


# Through the command line.


def start(*arguments, cwd, **environment) -> subprocess.Popen:
    """Start the command in a process of its own, to be stopped."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    variables = {**os.environ, **environment}
    return subprocess.Popen([*COMMAND, "annotate", *map(str, arguments)], cwd=cwd, env=variables, **pipes)


def facedata(*arguments, cwd, code=0, **environment) -> tuple[str, str]:
    """Run the command in this process."""
    with contextlib.chdir(cwd):
        done = CliRunner().invoke(app, ["annotate", *map(str, arguments)], env=environment)
    assert done.exit_code == code, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done.stdout, done.stderr


def openai_flags(server):
    address = ("--base-url", f"{server.url}/v1")
    return ("--task-file", "t.yaml", "ds", "--provider", "openai", "--model", "tiny-vlm", *address)


@pytest.fixture
def place(tmp_path):
    make_dataset(tmp_path, 6)
    write_task(tmp_path / "t.yaml")
    return tmp_path


def test_rules_from_the_command_line(place):
    out, _ = facedata("--task-file", "t.yaml", "ds", "-o", "out", "--json", cwd=place)
    told = json.loads(out)
    assert (told["records"], told["by_status"], told["cost"]) == (6, {"accept": 6}, 0.0)
    assert len(list(read_records(place / "out"))) == 6
    assert not (place / ".facedata").exists()  # what is free needs no journal
    _, err = facedata("--task-file", "t.yaml", "ds", "-o", "out", cwd=place, code=1)
    assert "--overwrite" in err


def test_a_run_that_is_killed_pays_nothing_twice(place, server):
    server.latency = 0.15
    flags = (*openai_flags(server), "-o", "out", "--concurrency", 1)
    process = start(*flags, cwd=place)
    while len(server.asked) < 3:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    with Store(place / ".facedata" / "answers.sqlite") as store:
        kept = len(store)
    assert kept == 2
    before = len(server.asked)
    out, _ = facedata(*flags, "--json", cwd=place)
    assert len(server.asked) - before == 6 - kept
    assert json.loads(out)["from_journal"] == kept
    assert len(list(read_records(place / "out"))) == 6


def test_an_answer_outlives_a_process_that_dies_before_reading_it(place, server):
    dying = "import os, facedata.annotate.answering as one; one.judge = lambda *_: os._exit(9); "
    command = [*COMMAND[:2], dying + COMMAND[2], "annotate", *map(str, openai_flags(server)), "-o", "out"]
    done = subprocess.run([*command, "--concurrency", "1"], cwd=place, check=False, timeout=60)
    assert (done.returncode, len(server.asked)) == (9, 1)
    told = json.loads(facedata(*openai_flags(server), "-o", "out", "--json", cwd=place)[0])
    assert (told["from_journal"], told["asked"], len(server.asked)) == (1, 5, 6)


def test_ctrl_c_waits_for_what_is_under_way(place, server):
    server.latency = 0.5
    flags = (*openai_flags(server), "-o", "out", "--concurrency", 2)
    process = start(*flags, cwd=place)
    while len(server.asked) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "run the same command again" in err
    assert "Traceback" not in out + err
    assert len(server.asked) == 2
    with Store(place / ".facedata" / "answers.sqlite") as store:
        assert len(store) == 2  # both had been sent, and both are kept
    facedata(*flags, cwd=place)
    assert len(server.asked) == 6


def test_a_second_ctrl_c_leaves_at_once_and_keeps_what_was_answered(place, server):
    server.script = [Reply(openai_response(json.dumps(ANSWER)))]
    server.usual = lambda *_: Reply(openai_response(json.dumps(ANSWER)), delay=20)
    flags = (*openai_flags(server), "-o", "out", "--concurrency", 2)
    process = start(*flags, cwd=place)
    while len(server.asked) < 3:
        time.sleep(0.01)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert "Ctrl-C again gives them up" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 130, err
    assert "run the same command again" in err
    assert "Traceback" not in out + err
    with Store(place / ".facedata" / "answers.sqlite") as store:
        assert len(store) == 1
    assert not (place / "out").exists()
    del server.usual
    told = json.loads(facedata(*flags, "--json", cwd=place)[0])
    assert (told["from_journal"], told["asked"], told["records"]) == (1, 5, 6)


def test_exit_codes_and_that_no_key_is_written_anywhere(place, server):
    flags = (*openai_flags(server), "-o", "out")
    said = [facedata(*flags, "--budget", 1, cwd=place, code=2)]
    server.script = [openai_error(401, f"Incorrect API key provided: {KEY}")] * 20
    said.append(facedata(*flags, cwd=place, code=1))
    lines = [line for line in said[-1][1].splitlines() if line.startswith("facedata:")]
    assert len(lines) == 1
    assert "OPENAI_API_KEY" in lines[0]
    server.script = [Reply(openai_response(None, refusal="no")), openai_error(400, f"no {KEY}")]
    said.append(facedata(*flags, cwd=place, code=3))
    said.append(facedata(*flags, "--overwrite", "--json", cwd=place, code=3))
    assert json.loads(said[-1][0])["by_status"] == {"accept": 5, "blocked": 1}
    said.append(facedata(*flags, "--overwrite", "--again", "blocked", cwd=place))
    assert KEY not in "".join(out + err for out, err in said)
    for path in place.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path


def test_no_stock_task_is_named_like_a_verb_of_the_group():
    verbs = {command.name for command in annotate_app.registered_commands}
    assert verbs.isdisjoint(stock_tasks())
    assert {"score", "au", "expression"}.isdisjoint(stock_tasks())


def test_what_the_command_line_refuses(place):
    for flags, words in [
        (("ds", "-o", "out"), "name a task"),
        (("nothing", "ds", "-o", "out"), "no task 'nothing'"),
        (("--task-file", "t.yaml", "ds"), "-o FOLDER"),
        (("--task-file", "t.yaml", "ds", "-o", "out", "--model", "m"), "rules takes no --model"),
        (("--task-file", "t.yaml", "ds", "-o", "out", "--provider", "replay"), "--recorded"),
        (("--task-file", "t.yaml", "ds", "-o", "out", "--price", "1"), "IN,OUT"),
    ]:
        _, err = facedata(*flags, cwd=place, code=2)
        assert words in err, err


def test_replay_of_a_journal_gives_the_same_texts(place, server):
    facedata(*openai_flags(server), "-o", "out", cwd=place)
    flags = ("--task-file", "t.yaml", "ds", "--provider", "replay", "--recorded", ".facedata/answers.sqlite")
    facedata(*flags, "-o", "again", cwd=place)
    texts = [
        sorted(one.messages[1].text() for one in read_records(place / name)) for name in ("out", "again")
    ]
    assert texts[0] == texts[1]
    assert len(server.asked) == 6


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
