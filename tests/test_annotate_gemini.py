"""The Gemini provider, through the real SDK, against a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from annotate_parts import ANSWER, make_requests
from annotate_servers import Gemini as Server
from annotate_servers import Reply, gemini_error, gemini_response, retry_info, serving

from facedata.annotate.batch import Fetched
from facedata.annotate.providers.base import Outcome, Price
from facedata.annotate.providers.gemini import Gemini
from facedata.annotate.providers.gemini_batch import GeminiBatch
from facedata.datasets.errors import ServiceError, UsageError
from facedata.datasets.instructions import Usage

# The SDK derives a class from aiohttp's session, of which aiohttp warns.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

KEY = "AIza-secret-0123456789"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with serving(Server(ANSWER)) as server:
        yield server


def ask(server, request, kind=Gemini, **options) -> Outcome:
    async def run():
        provider = kind("gemini-2.5-flash", base_url=server.url, **options)
        try:
            return await provider.answer(request)
        finally:
            await provider.close()

    return asyncio.run(run())


def test_an_answer_with_its_usage_model_and_id(server, tmp_path):
    (request,) = make_requests(tmp_path, 1)
    outcome = ask(server, request)
    assert (outcome.status, json.loads(outcome.text)) == ("ok", ANSWER)
    assert (outcome.model, outcome.response_id) == ("gemini-test-001", "r-1")
    # 20 of candidates and 10 of thoughts are both output; the prompt's 300 hold the 100 cached ones.
    assert outcome.usage == Usage(prompt=300, output=30, cached=100, thoughts=10)
    (where, body) = server.asked[0]
    assert where == "POST /v1/models/gemini-2.5-flash:generateContent"
    config = body["generationConfig"]
    assert (config.get("responseJsonSchema") or config["response_json_schema"]) == request.schema
    assert config["maxOutputTokens"] == 64
    picture = body["contents"][0]["parts"][0]["inlineData"]
    assert base64.urlsafe_b64decode(picture["data"]) == request.images[0].read()
    assert server.heads[0]["x-goog-api-key"] == KEY


def test_a_proxy_is_used_where_the_environment_names_one(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    (request,) = make_requests(tmp_path, 1)
    outcome = ask(SimpleNamespace(url="http://models.invalid"), request)
    assert outcome.status == "ok", outcome
    assert server.asked[0][0].startswith("POST http://models.invalid/v1")


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "m"}
KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
DAILY = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}


@pytest.mark.parametrize(
    ("reply", "status", "words", "retryable", "fatal"),
    [
        (Reply(BLOCKED), "blocked", "PROHIBITED_CONTENT", False, False),
        (Reply(gemini_response(None, "SAFETY")), "blocked", "SAFETY", False, False),
        (Reply(gemini_response('{"label": "li', "MAX_TOKENS")), "truncated", "--max-tokens", False, False),
        (Reply(gemini_response(None, "OTHER")), "invalid", "OTHER", False, False),
        (Reply({"candidates": []}), "invalid", "no candidate", False, False),
        (Reply(b"<html>busy</html>"), "error", "no answer", True, False),
        (gemini_error(400, "INVALID_ARGUMENT", f"bad key {KEY}", KEY_INVALID), "error", "key", False, True),
        (gemini_error(403, "PERMISSION_DENIED", f"{KEY} may not"), "error", "GEMINI_API_KEY", False, True),
        (gemini_error(404, "NOT_FOUND", "no such model"), "error", "no such model", False, True),
        (gemini_error(400, "INVALID_ARGUMENT", "bad picture"), "error", "bad picture", False, False),
        (gemini_error(429, "RESOURCE_EXHAUSTED", "slow down"), "rate-limited", "slow down", True, False),
        (gemini_error(429, "RESOURCE_EXHAUSTED", "all", DAILY), "rate-limited", "tomorrow", False, True),
        (gemini_error(500, "INTERNAL", f"oops {KEY}"), "error", "oops ***", True, False),
        (gemini_error(503, "UNAVAILABLE", "overloaded"), "error", "overloaded", True, False),
    ],
)
def test_what_a_server_may_do(server, tmp_path, reply, status, words, retryable, fatal):
    server.script = [reply]
    (request,) = make_requests(tmp_path, 1)
    outcome = ask(server, request)
    assert (outcome.status, outcome.retryable, outcome.fatal) == (status, retryable, fatal), outcome
    assert words in outcome.detail
    assert KEY not in repr(outcome)
    assert len(server.asked) == 1  # the SDK does not retry: the run does


def test_a_truncated_answer_keeps_its_text_and_its_cost(server, tmp_path):
    server.script = [Reply(gemini_response('{"label": "li', "MAX_TOKENS"))]
    outcome = ask(server, make_requests(tmp_path, 1)[0])
    assert outcome.text == '{"label": "li'
    # 200 uncached and 100 cached prompt tokens at 1 and 0.1, 30 of output at 2.
    assert Price(1.0, 2.0, 0.1).of(outcome.usage) == pytest.approx((200 + 10 + 60) / 1e6)


def test_the_servers_delay_is_read(server, tmp_path):
    header = gemini_error(429, "RESOURCE_EXHAUSTED", "wait")
    header.headers["retry-after"] = "7"
    server.script = [
        gemini_error(429, "RESOURCE_EXHAUSTED", "wait", retry_info("1.5s")),
        gemini_error(503, "UNAVAILABLE", "busy", retry_info("2s")),
        header,
    ]
    assert [ask(server, one).retry_after for one in make_requests(tmp_path, 3)] == [1.5, 2.0, 7.0]


def test_a_server_that_is_not_there_may_come_back(server, tmp_path):
    (request,) = make_requests(tmp_path, 1)
    server.url = "http://127.0.0.1:1"
    outcome = ask(server, request)
    assert (outcome.status, outcome.retryable) == ("error", True)
    assert "0x" not in outcome.detail


def test_big_pictures_go_through_the_files_api(server, tmp_path, monkeypatch):
    monkeypatch.setattr(Gemini, "inline", 100)
    (request,) = make_requests(tmp_path, 1)
    assert ask(server, request).status == "ok"
    assert server.uploads == [request.images[0].read()]
    part = server.asked[-1][1]["contents"][0]["parts"][0]["fileData"]
    assert (part.get("fileUri") or part["file_uri"]) == "https://files.example/f1"


def test_the_address_of_the_environment_is_part_of_what_is_asked(server, tmp_path, monkeypatch):
    """And what the SDK reads of another service of its vendor is not followed."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    provider = Gemini("gemini-2.5-flash")
    assert provider.settings()["address"] == server.url
    assert Gemini("gemini-2.5-flash", base_url="http://127.0.0.1:1").settings()["address"] != server.url
    (request,) = make_requests(tmp_path, 1)
    assert ask(server, request).status == "ok"
    assert server.asked[0][0] == "POST /v1/models/gemini-2.5-flash:generateContent"


def test_a_key_that_a_server_echoes_is_not_kept(server, tmp_path):
    blocked = {"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": f"saw {KEY}"}}
    server.script = [Reply(gemini_response(f"you sent {KEY}")), Reply(blocked)]
    first, second = (ask(server, request) for request in make_requests(tmp_path, 2))
    assert first.text == "you sent ***"
    assert (second.status, KEY in repr(second)) == ("blocked", False)


def test_without_a_key_it_says_which_variable(monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with pytest.raises(UsageError, match="GEMINI_API_KEY"):
        Gemini("gemini-2.5-flash")


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        ((384, 384), 1),
        ((960, 540), 6),  # the vendor's example: 540 / 1.5 = 360; 960 / 360 = 2.7 and 540 / 360 = 1.5
        ((512, 512), 4),
        ((400, 100), 2),  # a tile is no smaller than 256
        ((3000, 3000), 16),  # and no larger than 768
    ],
)
def test_a_picture_is_paid_for_by_tiles(server, tmp_path, size, tiles):
    (request,) = make_requests(tmp_path, 1)
    pictures = [replace(request, images=(replace(request.images[0], size=one),)) for one in (size, (1, 1))]
    provider = Gemini("gemini-2.5-flash")
    large, small = (provider.estimate(one).prompt for one in pictures)
    assert large - small == 258 * (tiles - 1)


def test_prices_by_name_and_half_in_batches(server):
    assert Gemini("gemini-2.5-flash").price == Price(0.30, 2.50)
    assert GeminiBatch("gemini-2.5-flash").price == Price(0.15, 1.25)
    assert Gemini("gemini-of-tomorrow").price is None
    assert Gemini("gemini-of-tomorrow", price=Price(1.0, 2.0)).price == Price(1.0, 2.0)


def batch(server, requests) -> Fetched:
    async def run():
        provider = GeminiBatch("gemini-2.5-flash", base_url=server.url)
        try:
            keys = [request.key(provider) for request in requests]
            rows = [provider.batch_row(key, one)[0] for key, one in zip(keys, requests, strict=True)]
            name = await provider.submit("label-1", rows)
            assert await provider.find("label-1") == name
            assert await provider.find("label-2") is None
            assert await provider.fetch(name, keys) is None  # it runs
            return keys, await provider.fetch(name, keys)
        finally:
            await provider.close()

    return asyncio.run(run())


@pytest.mark.parametrize("swapped", [False, True])
def test_batch_rows_are_placed_by_the_key_they_carry(server, tmp_path, swapped):
    server.swap_labels = swapped
    keys, fetched = batch(server, make_requests(tmp_path, 4))
    assert set(fetched.outcomes) == set(keys)
    assert not fetched.problems
    assert all(json.loads(one.text) == ANSWER for one in fetched.outcomes.values())  # without the key


def test_the_key_is_in_prompt_and_schema(server, tmp_path):
    keys, _ = batch(server, make_requests(tmp_path, 2))
    rows = server.batches["batches/b0"]["inputConfig"]["requests"]["requests"]
    for key, row in zip(keys, rows, strict=True):
        assert key[:16] in row["request"]["contents"][0]["parts"][1]["text"]
        config = row["request"]["generationConfig"]
        schema = config.get("responseJsonSchema") or config["response_json_schema"]
        assert schema["properties"]["request_key"]["enum"] == [key[:16]]
        assert schema["required"] == ["request_key", "label", "words"]


def test_a_mute_row_is_placed_only_where_labels_proved_right(server, tmp_path):
    requests = make_requests(tmp_path, 3)
    server.rows = {1: {"response": gemini_response(None, "SAFETY")}}
    keys, fetched = batch(server, requests)
    assert fetched.outcomes[keys[1]].status == "blocked"
    server.swap_labels = True
    server.batches.clear()
    keys, fetched = batch(server, requests)
    assert set(fetched.outcomes) == {keys[0], keys[2]}
    assert "cannot be placed" in fetched.problems[0]


def test_a_batch_that_succeeded_with_failed_rows_answers_none_of_them(server, tmp_path):
    failed = {"error": {"code": 3, "message": f"no quota for {KEY}"}}
    server.rows = {0: failed, 1: failed}
    _, fetched = batch(server, make_requests(tmp_path, 2))
    assert not fetched.outcomes
    assert fetched.problems == ["a row failed: no quota for ***"] * 2


def carrying(key, words):
    answer = {"request_key": key, **ANSWER, "words": words}
    return {"response": gemini_response(json.dumps(answer))}


def test_rows_that_differ_under_one_key_answer_nothing(server, tmp_path):
    """Row 1 says that it is the answer to request 0: neither is believed, and request 1 has none."""
    requests = make_requests(tmp_path, 4)
    keys, _ = batch(server, requests)
    server.batches.clear()
    server.rows = {1: carrying(keys[0][:16], "another"), 2: carrying("0" * 16, "whose")}
    keys, fetched = batch(server, requests)
    assert set(fetched.outcomes) == {keys[3]}
    assert sorted(fetched.problems) == [
        "a row carries the key 0000000000000000, which no request has",
        f"several rows that differ carry the key {keys[0][:16]}",
    ]


def test_a_row_that_comes_twice_is_one_and_one_that_does_not_come_is_missing(server, tmp_path):
    requests = make_requests(tmp_path, 3)
    keys, _ = batch(server, requests)
    server.batches.clear()
    server.rows = {1: carrying(keys[0][:16], ANSWER["words"])}
    keys, fetched = batch(server, requests)
    assert (set(fetched.outcomes), fetched.problems) == ({keys[0], keys[2]}, [])


def test_a_batch_that_failed_says_so(server, tmp_path):
    server.state = "BATCH_STATE_FAILED"
    with pytest.raises(ServiceError, match=r"batches/b0 ended as JOB_STATE_FAILED"):
        batch(server, make_requests(tmp_path, 1))
