"""The run: planned, limited, written down, stopped and gone on with; against real HTTP servers."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from dataclasses import replace

import pytest
from annotate_parts import ANSWER, COMMAND, facedata, make_dataset, make_requests, start, write_task
from annotate_servers import OpenAI as OpenAIServer
from annotate_servers import Reply, openai_error, openai_response, serving

from facedata.annotate.ask import Asker, Limits
from facedata.annotate.flight import in_flight
from facedata.annotate.providers.base import Outcome, Price
from facedata.annotate.providers.openai import OpenAI
from facedata.annotate.run import Asking, ask_all, plan
from facedata.annotate.spool import Spool
from facedata.annotate.store import Store
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.cli.annotate import app as annotate_app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import read_records

KEY = "sk-secret-9876543210"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(OpenAIServer(ANSWER)) as server:
        yield server


def asked_through(server, folder, limits, count=3, price=None, **given):
    """Ask about `count` faces; return the outcomes and the asker."""

    async def run():
        provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1", price=price)
        send, server.sent = provider.answer, []

        def timed(request):  # when it leaves: on a busy machine, servers hear of it late
            server.sent.append(time.monotonic())
            return send(request)

        provider.answer = timed
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


@pytest.mark.parametrize("code", [429, 503])
def test_one_wish_to_wait_holds_everybody(server, tmp_path, code):
    server.latency = 0.02
    server.script = [openai_error(code, "slow", **{"retry-after": "1"})]
    outcomes, _ = asked_through(server, tmp_path, Limits(concurrency=16), count=150)
    assert [one.status for one in outcomes] == ["ok"] * 150
    gaps = [after - before for before, after in itertools.pairwise(server.sent)]
    assert max(gaps) >= 0.8  # those under way had left; then nobody did
    assert gaps.index(max(gaps)) < 140  # and not only who was told


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
    assert server.sent[-1] - server.sent[0] >= 0.75


def test_tokens_a_minute(server, tmp_path):
    requests = make_requests(tmp_path, 6)
    size = OpenAI("m", base_url=server.url).estimate(requests[0])
    limits = Limits(concurrency=8, tokens_per_minute=300 * (size.prompt + size.output))
    asked_through(server, tmp_path, limits, count=requests)
    # Five requests' worth at once and five a second: the sixth waits; no minute's worth leaves at the start.
    assert server.sent[-1] - server.sent[0] >= 0.15


def test_a_request_of_more_tokens_than_a_second_allows_waits_for_all_of_them(server, tmp_path):
    requests = make_requests(tmp_path, 2)
    size = OpenAI("m", base_url=server.url).estimate(requests[0])
    limits = Limits(concurrency=1, tokens_per_minute=48 * (size.prompt + size.output))
    asked_through(server, tmp_path, limits, count=requests)
    assert server.sent[1] - server.sent[0] >= 1.1  # 0.8 a second


def test_a_server_that_refuses_everything_ends_the_run(server, tmp_path):
    server.script = [openai_error(400, "no pictures here")] * 60
    outcomes, asker = asked_through(server, tmp_path, Limits(concurrency=4), count=40)
    assert asker.ended.startswith("16 requests in a row got no answer: the server failed (400)")
    assert asker.ended.endswith("no pictures here")
    assert len(server.asked) <= 16 + 4
    assert len(outcomes) == 40


def test_a_server_that_refuses_some_does_not(server, tmp_path):
    server.script = [Reply(openai_response(json.dumps(ANSWER)))] + [openai_error(400, "too small")] * 30
    outcomes, asker = asked_through(server, tmp_path, Limits(concurrency=1), count=32)
    assert Counter(one.status for one in outcomes) == {"ok": 2, "error": 30}
    assert asker.ended == ""


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


def test_memory_holds_nothing_of_a_free_run(tmp_path):
    with Store(None) as store:
        store.put("key", "question", Outcome(status="ok"))
        assert (store.get("key"), len(store)) == (None, 0)


# Through the command line.


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


def test_a_picture_that_is_damaged_is_named_and_the_run_ends_with_3(place):
    victim = sorted((place / "ds" / "images").rglob("*.jpg"))[0]
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    _, err = facedata("--task-file", "t.yaml", "ds", "-o", "out", cwd=place, code=3)
    assert f"not made: {victim.stem.rpartition('-')[2]}" in err
    assert len(Dataset.open(place / "out")) == 5


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
