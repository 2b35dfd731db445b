"""The OpenAI-compatible provider, through the real SDK, against a real HTTP server; and recorded answers."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from annotate_parts import ANSWER, make_requests
from annotate_servers import OpenAI as Server
from annotate_servers import Reply, openai_error, openai_response, serving

from facedata.annotate.providers.base import Outcome, Sampling
from facedata.annotate.providers.common import seconds
from facedata.annotate.providers.openai import OpenAI
from facedata.annotate.providers.replay import Replay
from facedata.annotate.store import Store
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

KEY = "sk-secret-0123456789"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(Server(ANSWER)) as server:
        yield server


def ask(server, *requests, said=None) -> list[Outcome]:
    async def run():
        tell = None if said is None else said.append
        provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1", tell=tell)
        try:
            return [await provider.answer(request) for request in requests]
        finally:
            await provider.close()

    return asyncio.run(run())


def test_an_answer_with_its_usage_model_and_id(server, tmp_path):
    (request,) = make_requests(tmp_path, 1, Sampling(0.7, 0.9, 64, 5))
    (outcome,) = ask(server, request)
    assert (outcome.status, json.loads(outcome.text)) == ("ok", ANSWER)
    assert (outcome.model, outcome.response_id) == ("tiny-vlm-q4", "c-1")
    assert outcome.usage == Usage(prompt=300, output=30, cached=100, thoughts=10)
    (where, body) = server.asked[0]
    assert where == "POST /v1/chat/completions"
    assert body["response_format"]["json_schema"]["schema"] == request.schema
    assert {name: body[name] for name in ("model", "temperature", "top_p", "max_tokens", "seed")} == {
        "model": "tiny-vlm",
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 64,
        "seed": 5,
    }
    picture = body["messages"][0]["content"][0]["image_url"]["url"]
    assert picture.startswith("data:image/jpeg;base64,")
    assert base64.b64decode(picture.split(",")[1]) == request.images[0].read()


def test_a_proxy_is_used_where_the_environment_names_one(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    (outcome,) = ask(SimpleNamespace(url="http://models.invalid"), *make_requests(tmp_path, 1))
    assert outcome.status == "ok", outcome
    assert server.asked[0][0] == "POST http://models.invalid/v1/chat/completions"


@pytest.mark.parametrize(
    ("reply", "status", "words", "retryable", "fatal"),
    [
        (Reply(openai_response(None, refusal="I cannot")), "blocked", "I cannot", False, False),
        (Reply(openai_response("", "content_filter")), "blocked", "content_filter", False, False),
        (Reply(openai_response('{"la', "length")), "truncated", "--max-tokens", False, False),
        (Reply(openai_response(None)), "invalid", "no usable answer", False, False),
        (Reply({**openai_response(""), "choices": []}), "invalid", "no choice", False, False),
        (openai_error(401, f"wrong key {KEY}"), "error", "OPENAI_API_KEY", False, True),
        (openai_error(404, "no model tiny-vlm"), "error", "no model", False, True),
        (openai_error(429, "pay", "insufficient_quota"), "error", "pay", False, True),
        (openai_error(429, "slow"), "rate-limited", "slow", True, False),
        (openai_error(400, "picture too small"), "error", "too small", False, False),
        (openai_error(500, f"oops {KEY}"), "error", "oops", True, False),
    ],
)
def test_what_a_server_may_do(server, tmp_path, reply, status, words, retryable, fatal):
    server.script = [reply]
    (outcome,) = ask(server, *make_requests(tmp_path, 1))
    assert (outcome.status, outcome.retryable, outcome.fatal) == (status, retryable, fatal), outcome
    assert words in outcome.detail
    assert KEY not in repr(outcome)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("head", "delay"), [("retry-after", "2"), ("retry-after-ms", "250")])
def test_the_servers_delay_is_read(server, tmp_path, head, delay):
    server.script = [openai_error(429, "wait", **{head: delay})]
    (outcome,) = ask(server, *make_requests(tmp_path, 1))
    assert outcome.retry_after == (2.0 if head == "retry-after" else 0.25)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_the_servers_delay_may_be_a_date(server, tmp_path, code):
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    server.script = [openai_error(code, "wait", **{"retry-after": then})]
    (outcome,) = ask(server, *make_requests(tmp_path, 1))
    assert outcome.retryable
    assert 80 < outcome.retry_after <= 90


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        *(("30", 30.0), ("1.5s", 1.5), ("200ms", 0.2), ("2m", 120.0)),
        *(("soon", None), ("", None), (None, None), ("-1", None), ("nan", None)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_delays_are_read(text, delay):
    assert seconds(text) == delay


@pytest.mark.parametrize(
    ("known", "sent"),
    [({"json_object", None}, ["json_schema", "json_object"]), ({None}, ["json_schema", "json_object", None])],
)
def test_a_server_without_schemas_is_told_the_schema(server, tmp_path, known, sent):
    server.formats = known
    first, second = make_requests(tmp_path, 2)
    said = []
    assert [outcome.status for outcome in ask(server, first, second, said=said)] == ["ok", "ok"]
    assert said[0].startswith("the server refuses JSON schemas (400); it is told in the prompt")
    assert len(said) == len(sent) - 1
    asked = [(body.get("response_format") or {}).get("type") for _, body in server.asked]
    assert asked == [*sent, sent[-1]]  # what was learnt from the first is used for the second
    told = server.asked[-1][1]["messages"][-1]["content"][-1]["text"]
    assert json.dumps(second.schema) in told


@pytest.mark.parametrize("answer", [{"is": "live"}, "a live face"])
def test_a_server_that_takes_a_schema_and_ignores_it_is_told_the_schema(server, tmp_path, answer):
    requests = make_requests(tmp_path, 3)
    server.script = [Reply(openai_response(json.dumps(ANSWER))), Reply(openai_response(json.dumps(answer)))]
    said = []
    assert [outcome.status for outcome in ask(server, *requests, said=said)] == ["ok"] * 3
    told = [
        json.dumps(requests[0].schema) in body["messages"][-1]["content"][-1]["text"]
        for _, body in server.asked
    ]
    assert told == [False, False, True]
    assert [body["response_format"]["type"] for _, body in server.asked] == ["json_schema"] * 3
    assert len(said) == 1
    assert "does not keep to JSON schemas" in said[0]


def test_a_server_that_keeps_to_schemas_is_believed(server, tmp_path):
    requests = make_requests(tmp_path, 10)
    server.script = [Reply(openai_response(json.dumps(ANSWER)))] * 8
    server.answer = {"an": "oddity"}
    said = []
    ask(server, *requests, said=said)
    assert said == []


def test_it_needs_a_key_or_an_address(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="--base-url"):
        OpenAI("gpt")
    assert OpenAI("tiny-vlm", base_url="http://127.0.0.1:1/v1").price is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("localhost:8000/v1", "no address such as http://"),
        ("127.0.0.1:8000", "no address such as http://"),
        ("ftp://host/v1", "no address such as http://"),
        ("http:///v1", "no address such as http://"),
        ("http://host:port/v1", "no address such as http://"),
        (f"http://me:{KEY}@host/v1", "the key in the environment"),
        (f"me:{KEY}@host/v1", "the key in the environment"),
        (f"https://host/v1?key={KEY}", "the key in the environment"),
    ],
)
def test_an_address_is_one_and_holds_no_key(monkeypatch, address, words):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(UsageError, match=words) as error:
        OpenAI("tiny-vlm", base_url=address)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("key", ["sk-secret 1", "sk-sécret-1", "sk-secret\n-1"])
def test_what_is_no_key_is_told_and_not_repeated(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="OPENAI_API_KEY holds blanks or letters") as error:
        OpenAI("tiny-vlm")
    assert key not in str(error.value)


def test_a_key_that_a_server_echoes_is_not_kept(server, tmp_path):
    echo = f"you sent {KEY}"
    server.script = [
        Reply(openai_response(echo) | {"model": KEY, "id": f"id-{KEY}"}),
        Reply(openai_response(None, refusal=echo)),
    ]
    said, refused = ask(server, *make_requests(tmp_path, 2))
    assert (said.text, said.model, said.response_id) == ("you sent ***", "***", "id-***")
    assert refused.detail == "the answer was refused: you sent ***"


def replayed(path, *requests) -> list[Outcome]:
    async def run():
        provider = Replay(path)
        return [await provider.answer(request) for request in requests]

    return asyncio.run(run())


def test_replay_answers_from_a_journal_and_names_what_is_missing(tmp_path):
    first, second = make_requests(tmp_path, 2)
    with Store(tmp_path / "journal") as store:
        store.put("key", first.question(), Outcome(status="ok", text="older"))
        store.put("key", first.question(), Outcome(status="ok", text="newer", model="m"))
        store.put("key", first.question(), Outcome(status="error", detail="busy"))
    found, missing = replayed(tmp_path / "journal", first, second)
    assert (found.status, found.text, found.model) == ("ok", "newer", "m")
    assert (missing.status, missing.retryable) == ("error", False)
    assert second.question() in missing.detail


def test_replay_answers_from_json_lines(tmp_path):
    first, second = make_requests(tmp_path, 2)
    lines = [
        {"question": first.question(), "text": "said", "usage": {"prompt": 3}},
        {"question": second.question(), "text": "", "status": "blocked", "detail": "no"},
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    said, blocked = replayed(path, first, second)
    assert (said.status, said.text, said.usage.prompt) == ("ok", "said", 3)
    assert (blocked.status, blocked.detail) == ("blocked", "no")


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"question": "q"}', r"answers:1: .*text"), ("\n", "holds no"), ("[1]\n", "answers:1")],
)
def test_replay_says_what_is_wrong_with_a_file(tmp_path, content, words):
    (tmp_path / "answers").write_text(content)
    with pytest.raises(UsageError, match=words):
        Replay(tmp_path / "answers")
    with pytest.raises(UsageError, match="cannot be read"):
        Replay(tmp_path / "absent")
