"""Any server that speaks OpenAI's chat protocol: vLLM, Ollama, llama.cpp, or the vendor's own.

Answers are asked for by JSON schema. A server that refuses that is asked for a JSON object, and one that
refuses that too for plain text; the schema is then told in the prompt. Some servers (llama.cpp, Ollama) take
a schema and do not keep to it: one whose first answers show that is told it as well. What was learnt holds
for the run, and is said.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from facedata.annotate.checks.form import parse
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
    from openai import APIStatusError
    from openai.types.chat import ChatCompletion

__all__ = ["OpenAI"]

KEY = "OPENAI_API_KEY"
_VENDOR = "https://api.openai.com/v1"
_FORMATS: tuple[Literal["schema", "object", "text"], ...] = ("schema", "object", "text")
_PROOFS = 8  # answers of a schema's form that show that a server keeps to it
_REFUSALS_OF_FORMAT = ("response_format", "json_schema", "json_object", "schema", "guided", "grammar")
_PATCH = 28  # pixels: side of what one token of a picture covers in most open models


class OpenAI:
    """Asks a model behind an OpenAI-compatible server at `base_url`; the key comes from OPENAI_API_KEY.

    A local server needs no key, nor does `planning`. `tell` is given a line for people where a server takes
    no schema.
    """

    name = "openai"

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        price: Price | None = None,
        planning: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        try:
            import openai
        except ImportError:
            raise missing_extra("openai", "annotate") from None
        self._key = key_of(KEY)
        if not self._key and base_url is None and not planning:
            raise UsageError(
                f"{self.name} needs a key, or the address of a server of your own: set {KEY} in the "
                "environment, or give --base-url"
            )
        self.model = model
        self.base_url = address_of(base_url)
        self.price = price or known_price(self.name, model)
        self._tell = tell
        self._format = 0
        self._told = False
        self._unproven = _PROOFS
        self.client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=base_url or _VENDOR,
            max_retries=0,
            timeout=None,  # the run's own patience ends a request
            http_client=_transport(),
        )

    def settings(self) -> dict[str, Any]:
        """Return name, model and address."""
        return {"provider": self.name, "model": self.model, "address": self.base_url or _VENDOR}

    def extra_key(self, request: Request) -> Any:
        """Return nothing: the model sees texts and pictures alone."""
        del request

    def estimate(self, request: Request) -> Usage:
        """Return the tokens that a request may take."""
        return estimated(request, sum(_tokens(image) for image in request.images))

    async def answer(self, request: Request) -> Outcome:
        """Send the request, and again with a plainer format where the server refuses the one asked for."""
        from openai import APIConnectionError, APIStatusError, OpenAIError

        while True:
            wanted = self._format
            try:
                completion = await self._send(request, _FORMATS[wanted])
                outcome = without(_outcome(completion), self._key)
                if self._unproven and wanted == 0 and outcome.status == "ok":
                    self._prove(request, outcome.text)
                return outcome
            except APIStatusError as error:
                if not self._plainer(wanted, error):
                    return self._refusal(error)
            except APIConnectionError as error:
                words = message_of(error.__cause__ or error, self._key)
                return Outcome(status="error", detail=f"no answer: {words}", retryable=True)
            except (OpenAIError, ValueError) as error:  # an answer that is none
                words = message_of(error, self._key)
                return Outcome(status="error", detail=f"no answer: {words}", retryable=True)

    async def _send(self, request: Request, wanted: Literal["schema", "object", "text"]) -> ChatCompletion:
        from openai.types.chat import ChatCompletion

        sampling = request.sampling
        options: dict[str, Any] = {
            "model": self.model,
            "messages": _messages(request, told=self._told or wanted != "schema"),
            "temperature": sampling.temperature,
        }
        limit = "max_completion_tokens" if self.base_url is None else "max_tokens"
        options[limit] = sampling.max_tokens
        if sampling.top_p is not None:
            options["top_p"] = sampling.top_p
        if sampling.seed is not None:
            options["seed"] = sampling.seed
        if wanted == "schema":
            schema = {"name": request.task.name, "schema": dict(request.schema), "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif wanted == "object":
            options["response_format"] = {"type": "json_object"}
        # `chat.completions.create` would walk schema and pictures by type hints, a third of a request's CPU.
        return await self.client.post("/chat/completions", cast_to=ChatCompletion, body=options)

    def _plainer(self, wanted: int, error: APIStatusError) -> bool:
        """Whether to ask again in a plainer format, since this one was refused."""
        words = str(error).lower()
        refused = error.status_code in (400, 422, 500, 501)
        refused = refused and any(word in words for word in _REFUSALS_OF_FORMAT)
        if not refused or wanted + 1 == len(_FORMATS):
            return False
        if self._format <= wanted:  # else another request, sent at the same time, said so already
            self._format = wanted + 1
            self._say(f"refuses {'JSON schemas' if wanted == 0 else 'JSON objects'} ({error.status_code})")
        return True

    def _prove(self, request: Request, text: str) -> None:
        """Look whether an answer keeps to the schema that it was asked for by."""
        self._unproven -= 1
        if parse(text, request.task.validator)[0] is None:
            self._unproven, self._told = 0, True
            self._say("does not keep to JSON schemas")

    def _say(self, what: str) -> None:
        if self._tell is not None:
            self._tell(f"the server {what}; it is told in the prompt how an answer is to look")

    def _refusal(self, error: APIStatusError) -> Outcome:
        code = error.status_code
        words = message_of(error.message, self._key)
        if code in (401, 403):
            # The server's words may repeat the key, so they are left out.
            detail = f"the server refused the key ({code}); check {KEY}"
            return Outcome(status="error", detail=detail, fatal=True)
        if code == 404:
            detail = f"the server refused (404): {words}; check --base-url (most end in /v1) and --model"
            return Outcome(status="error", detail=detail, fatal=True)
        if code == 402 or error.code == "insufficient_quota":
            return Outcome(status="error", detail=f"the server refused ({code}): {words}", fatal=True)
        headers = error.response.headers
        told = headers.get("retry-after-ms")
        delay = seconds(f"{told}ms") if told else seconds(headers.get("retry-after"))
        if code == 429:
            detail = f"too many requests (429): {words}"
            return Outcome(status="rate-limited", detail=detail, retry_after=delay, retryable=True)
        retryable = code in (408, 409) or code >= 500
        detail = f"the server failed ({code}): {words}"
        return Outcome(status="error", detail=detail, retry_after=delay, retryable=retryable)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def _transport() -> Any:
    """Return the SDK's client over aiohttp, None for its own where aiohttp is not there.

    Its own looks through all its connections before and after each request: with 64 in flight, a third of a
    request's CPU.
    """
    import openai

    try:
        return openai.DefaultAioHttpClient(timeout=None)
    except (AttributeError, RuntimeError):  # an older SDK; no aiohttp
        return None


def _messages(request: Request, *, told: bool) -> Any:
    prompt = request.prompt
    if told:
        schema = json.dumps(dict(request.schema), ensure_ascii=False)
        prompt = f"{prompt}\n\nAnswer with one JSON object of this schema and nothing else:\n{schema}"
    parts: list[dict[str, Any]] = []
    for image in request.images:
        data = image.read()
        url = f"data:{media_type(data)};base64,{base64.b64encode(data).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
    messages: list[dict[str, Any]] = [{"role": "user", "content": [*parts, {"type": "text", "text": prompt}]}]
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    return messages


def _outcome(completion: ChatCompletion) -> Outcome:
    known: dict[str, Any] = {
        "model": completion.model or None,
        "response_id": completion.id or None,
        "usage": _usage(completion),
    }
    if not completion.choices:
        return Outcome(status="invalid", detail="the response has no choice", **known)
    choice = completion.choices[0]
    text = choice.message.content or ""
    if choice.message.refusal or choice.finish_reason == "content_filter":
        words = message_of(choice.message.refusal or "content_filter")
        return Outcome(status="blocked", text=text, detail=f"the answer was refused: {words}", **known)
    if choice.finish_reason == "length":
        detail = "cut off at the token limit; raise --max-tokens"
        return Outcome(status="truncated", text=text, detail=detail, **known)
    if not text:
        detail = f"no usable answer: finished with {choice.finish_reason}"
        return Outcome(status="invalid", detail=detail, **known)
    return Outcome(status="ok", text=text, **known)


def _usage(completion: ChatCompletion) -> Usage:
    counts = completion.usage
    if counts is None:
        return Usage()
    prompt, output = counts.prompt_tokens_details, counts.completion_tokens_details
    return Usage(
        prompt=counts.prompt_tokens or 0,
        output=counts.completion_tokens or 0,
        cached=(prompt.cached_tokens if prompt else None) or 0,
        thoughts=(output.reasoning_tokens if output else None) or 0,
    )


def _tokens(image: Image) -> int:
    width, height = image.size or (1024, 1024)
    return math.ceil(width / _PATCH) * math.ceil(height / _PATCH)
