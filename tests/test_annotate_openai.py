"""The OpenAI-compatible provider, through the real SDK, against a real HTTP server; and recorded answers."""

from __future__ import annotations

import asyncio
import base64
import json
from types import SimpleNamespace

import pytest
from annotate_parts import ANSWER, make_requests
from annotate_servers import OpenAI as Server
from annotate_servers import Reply, openai_error, openai_response, serving

from facedata.annotate.providers.base import Outcome, Sampling
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


def ask(server, *requests) -> list[Outcome]:
    async def run():
        provider = OpenAI("tiny-vlm", base_url=f"{server.url}/v1")
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


@pytest.mark.parametrize(
    ("known", "sent"),
    [({"json_object", None}, ["json_schema", "json_object"]), ({None}, ["json_schema", "json_object", None])],
)
def test_a_server_without_schemas_is_told_the_schema(server, tmp_path, known, sent):
    server.formats = known
    first, second = make_requests(tmp_path, 2)
    assert [outcome.status for outcome in ask(server, first, second)] == ["ok", "ok"]
    asked = [(body.get("response_format") or {}).get("type") for _, body in server.asked]
    assert asked == [*sent, sent[-1]]  # what was learnt from the first is used for the second
    told = server.asked[-1][1]["messages"][-1]["content"][-1]["text"]
    assert json.dumps(second.schema) in told


def test_it_needs_a_key_or_an_address(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="--base-url"):
        OpenAI("gpt")
    assert OpenAI("tiny-vlm", base_url="http://127.0.0.1:1/v1").price is None


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
