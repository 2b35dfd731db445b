"""Gemini through google-genai: JSON by schema, pictures inline or through the Files API.

The SDK neither retries nor waits here: both are the run's. Its silent failures (a blocked prompt without
text, a candidate without content, an answer cut off at the token limit) are told apart by block and finish
reasons before anybody reads the text.
"""

from __future__ import annotations

import functools
import io
import math
import os
from typing import TYPE_CHECKING, Any, cast
from urllib.request import getproxies

from facedata.annotate.providers.base import Image, Outcome, Price, Request, media_type
from facedata.annotate.providers.common import (
    address_of,
    estimated,
    key_of,
    known_price,
    message_of,
    missing_extra,
    seconds,
    without,
)
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

if TYPE_CHECKING:
    import aiohttp
    from google import genai
    from google.genai import types
    from google.genai.errors import APIError

__all__ = ["Gemini", "configuration", "failure", "outcome_of"]

KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
_SMALL, _TILES, _TILE_TOKENS = 384, (256, 768), 258  # pixels and tokens, by the vendor's counting
_BLOCKED = frozenset(
    [
        *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    ]
)


class Gemini:
    """Asks a Gemini model; the key comes from GEMINI_API_KEY or GOOGLE_API_KEY, and `planning` needs none."""

    name = "gemini"
    inline = 14_000_000
    """Bytes of pictures that go within a request: the server takes 20 MB, and base64 adds a third. Larger
    ones are uploaded through the Files API, once a run; the server keeps them for two days."""

    def __init__(
        self, model: str, *, base_url: str | None = None, price: Price | None = None, planning: bool = False
    ) -> None:
        try:
            import google.genai  # noqa: F401
        except ImportError:
            raise missing_extra("google-genai", "annotate") from None
        self._key = key_of(*KEYS)
        if not self._key and not planning:
            raise UsageError(f"{self.name} needs a key; set {KEYS[0]} in the environment")
        self.model = model
        # The SDK would follow this variable in silence; an address is part of every request's key.
        self.base_url = address_of(base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or None)
        self._price = price or known_price(self.name, model)
        self._uploaded: dict[str, types.File] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def price(self) -> Price | None:
        """What tokens cost, None where it is not known."""
        return self._price

    def settings(self) -> dict[str, Any]:
        """Return name, model and, where it is not the vendor's, address."""
        address = {} if self.base_url is None else {"address": self.base_url}
        return {"provider": self.name, "model": self.model, **address}

    def extra_key(self, request: Request) -> Any:
        """Return nothing: the model sees texts and pictures alone."""
        del request

    def estimate(self, request: Request) -> Usage:
        """Return the tokens that a request may take."""
        return estimated(request, sum(_tokens(image) for image in request.images))

    @functools.cached_property
    def client(self) -> genai.Client:
        """The SDK's client; made at the first request, as its connections belong to the running loop."""
        from google import genai

        options = genai.types.HttpOptions(
            base_url=self.base_url, retry_options=genai.types.HttpRetryOptions(attempts=1)
        )
        if (session := _session()) is not None:
            options.aiohttp_client = self._session = session
        return genai.Client(vertexai=False, api_key=self._key or "none", http_options=options)

    async def answer(self, request: Request) -> Outcome:
        """Send the request."""
        try:
            response = await self.client.aio.models.generate_content(
                model=self.model, contents=await self._contents(request), config=configuration(request)
            )
        except Exception as error:  # noqa: BLE001 - whatever a server, a network or the SDK does is an outcome
            return failure(error, self._key)
        return without(outcome_of(response), self._key)

    async def _contents(self, request: Request) -> Any:
        pictures = [(image, image.read()) for image in request.images]
        large = sum(len(data) for _, data in pictures) > self.inline
        parts = [await self._part(image, data, large) for image, data in pictures]
        return [{"role": "user", "parts": [*parts, {"text": request.prompt}]}]

    async def _part(self, image: Image, data: bytes, large: bool) -> dict[str, Any]:
        kind = media_type(data)
        if not large:
            return {"inline_data": {"mime_type": kind, "data": data}}
        if image.sha256 not in self._uploaded:
            self._uploaded[image.sha256] = await self.client.aio.files.upload(
                file=io.BytesIO(data), config={"mime_type": kind}
            )
        return {"file_data": {"file_uri": self._uploaded[image.sha256].uri, "mime_type": kind}}

    async def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            await self.client.aio.aclose()
            self.client.close()
        if self._session is not None:
            await self._session.close()


def _session() -> aiohttp.ClientSession | None:
    """Return connections that look for no proxy, None where there is one or no aiohttp.

    Those that the SDK makes look for a proxy and its password in a thread, twice a request: a quarter of the
    CPU that a request takes there.
    """
    from google.genai import types

    if getproxies() or "aiohttp_client" not in types.HttpOptions.model_fields:
        return None
    try:
        import aiohttp
    except ImportError:
        return None
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


def configuration(request: Request) -> types.GenerateContentConfigDict:
    """Return how a request is to be answered, as the SDK takes it."""
    sampling = request.sampling
    wanted = {
        "system_instruction": request.system or None,
        "response_mime_type": "application/json",
        "response_json_schema": dict(request.schema),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    return cast("types.GenerateContentConfigDict", given)


def outcome_of(response: types.GenerateContentResponse) -> Outcome:
    """Return what a response is."""
    known: dict[str, Any] = {
        "model": response.model_version,
        "response_id": response.response_id,
        "usage": _usage(response.usage_metadata),
    }
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        words = message_of(feedback.block_reason_message or "")
        detail = f"the prompt was blocked: {_word(feedback.block_reason)} {words}".strip()
        return Outcome(status="blocked", detail=detail, **known)
    if not response.candidates:
        return Outcome(status="invalid", detail="the response has no candidate", **known)
    candidate = response.candidates[0]
    reason = _word(candidate.finish_reason)
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    if reason in _BLOCKED:
        words = message_of(candidate.finish_message or "")
        return Outcome(
            status="blocked", text=text, detail=f"the answer was blocked: {reason} {words}".strip(), **known
        )
    if reason == "MAX_TOKENS":
        return Outcome(
            status="truncated",
            text=text,
            detail="cut off at the token limit, which thoughts count against; raise --max-tokens",
            **known,
        )
    if not text or reason not in ("STOP", ""):
        return Outcome(
            status="invalid", text=text, detail=f"no usable answer: finished with {reason or 'no'}", **known
        )
    return Outcome(status="ok", text=text, **known)


def failure(error: Exception, key: str) -> Outcome:
    """Return what an exception of the SDK means for the run."""
    from google.genai.errors import APIError

    if not isinstance(error, APIError):
        # aiohttp's own words name an object in memory; what the system said is in this.
        words = message_of(f"{type(error).__name__}: {getattr(error, 'os_error', error)}", key)
        # ValueError: the body was no JSON, or not of the form that the SDK knows.
        retryable = isinstance(error, OSError | ValueError) or _network(error)
        return Outcome(status="error", detail=f"no answer: {words}", retryable=retryable)
    details = _details(error.details)
    words = message_of(error.message or error.status or "", key)
    code = int(error.code or 0)
    reasons = {detail.get("reason") for detail in details}
    if code in (401, 403) or "API_KEY_INVALID" in reasons:
        # The server's words may repeat the key, so they are left out.
        detail = f"the server refused the key ({code}); check {' or '.join(KEYS)}"
        return Outcome(status="error", detail=detail, fatal=True)
    if code == 404 or (code == 400 and error.status == "FAILED_PRECONDITION"):
        return Outcome(status="error", detail=f"the server refused ({code}): {words}", fatal=True)
    delay = _delay(error, details)
    if code == 429:
        return _limited(details, words, delay)
    retryable = code == 408 or code >= 500
    detail = f"the server failed ({code}): {words}"
    return Outcome(status="error", detail=detail, retry_after=delay, retryable=retryable)


def _delay(error: APIError, details: list[dict[str, Any]]) -> float | None:
    """Return how long the server wants to be left alone: by its body, else by the HTTP header."""
    stated = [detail.get("retryDelay") for detail in details]
    stated.append(getattr(error.response, "headers", {}).get("retry-after"))
    return next((delay for text in stated if (delay := seconds(text)) is not None), None)


def _limited(details: list[dict[str, Any]], words: str, delay: float | None) -> Outcome:
    quotas = [violation for detail in details for violation in detail.get("violations") or ()]
    if any("PerDay" in str(quota.get("quotaId", "")) for quota in quotas):
        detail = f"the quota of the day is used up ({words}); run again tomorrow"
        return Outcome(status="rate-limited", detail=detail, fatal=True)
    detail = f"too many requests (429): {words}"
    return Outcome(status="rate-limited", detail=detail, retry_after=delay, retryable=True)


def _network(error: Exception) -> bool:
    """Whether a transport library raised it: the SDK may use any of three."""
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp")


def _details(body: Any) -> list[dict[str, Any]]:
    inner = body.get("error", body) if isinstance(body, dict) else {}
    details = inner.get("details") if isinstance(inner, dict) else None
    return [one for one in details or () if isinstance(one, dict)]


def _word(reason: Any) -> str:
    return "" if reason is None else str(getattr(reason, "value", reason))


def _usage(counts: types.GenerateContentResponseUsageMetadata | None) -> Usage:
    if counts is None:
        return Usage()
    thoughts = counts.thoughts_token_count or 0
    return Usage(
        prompt=counts.prompt_token_count or 0,
        output=(counts.candidates_token_count or 0) + thoughts,
        cached=counts.cached_content_token_count or 0,
        thoughts=thoughts,
    )


def _tokens(image: Image) -> int:
    """Return the tokens of a picture: its tiles measure two thirds of its shorter side, within bounds."""
    if image.size is None or max(image.size) <= _SMALL:
        return _TILE_TOKENS
    tile = min(max(min(image.size) // 1.5, _TILES[0]), _TILES[1])
    return _TILE_TOKENS * math.prod(math.ceil(side / tile) for side in image.size)
