"""What a provider is: a request in, a classified outcome out, and no exception for what a server may do.

A provider sends what it is given and says what came back. It does not retry, cache, parse answers or write
files: the run does, the same way for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from facedata.annotate.tasks import Task
from facedata.datasets.canonical import canonical_json, identifier_of
from facedata.datasets.instructions import Usage
from facedata.datasets.words import Words

__all__ = ["Image", "Outcome", "OutcomeStatus", "Price", "Provider", "Request", "Sampling", "media_type"]

OutcomeStatus = Literal["ok", "blocked", "truncated", "invalid", "rate-limited", "error"]
"""`invalid`: an answer that is none; `error`: of server or network, worth another try if `retryable`."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture to send: its hash is part of the request; `read` gives its bytes, JPEG, PNG or WebP.

    `size` is (width, height), pixels, as far as it is known without reading: its price hangs on it.
    """

    sha256: str
    read: Callable[[], bytes] = field(compare=False, repr=False)
    size: tuple[int, int] | None = field(default=None, compare=False)


def media_type(data: bytes) -> str:
    """Return the media type of an encoded picture, by its first bytes."""
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn. `seed` numbers answers to one request, for providers that can repeat a draw."""

    temperature: float = 0.0
    top_p: float | None = None
    max_tokens: int = 2048
    seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is set."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Request:
    """One question. Only `rules` looks at `task`, `evidence` and `words`; a model sees texts and pictures."""

    system: str
    prompt: str
    images: tuple[Image, ...]
    schema: Mapping[str, Any]
    sampling: Sampling
    task: Task = field(compare=False, repr=False)
    evidence: Mapping[str, Any] = field(compare=False, repr=False)
    words: Words = field(compare=False, repr=False)

    def key(self, provider: Provider) -> str:
        """Return the hash of exactly what is sent, to whom, and how: the cache's key."""
        about = canonical_json(["request", provider.settings()])[1:-1]
        return identifier_of(about, *self._asked(), canonical_json(provider.extra_key(self)))

    def question(self) -> str:
        """Return the hash of what is asked, whoever answers: what recorded answers are found by."""
        return identifier_of('"question"', *self._asked())

    def _asked(self) -> tuple[str, ...]:
        """Return the canonical JSON of what is asked: texts, pictures, schema and sampling."""
        shown = canonical_json([self.system, self.prompt, [image.sha256 for image in self.images]])[1:-1]
        own = self.schema is self.task.response  # as nearly always: spelled once a run
        schema = self.task.schema_text if own else canonical_json(self.schema)
        return shown, schema, canonical_json(self.sampling.to_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back. `text` is the answer as it came, kept even where it cannot be used.

    `detail` says why it is not ok, without any key or header; `retry_after`, s, is the server's own wish.
    `fatal`: every other request would fail the same way (wrong key, no such model), so the run ends. `cost`,
    US dollars, is what the answer cost when it was paid for, None where no price is known.
    """

    status: OutcomeStatus
    text: str = ""
    model: str | None = None
    response_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    detail: str = ""
    retry_after: float | None = None
    retryable: bool = False
    fatal: bool = False
    cost: float | None = None

    def __post_init__(self) -> None:
        """Put a mark in place of halves of characters, which JSON can spell and no file can hold."""
        for name in ("text", "detail", "model", "response_id"):
            if isinstance(said := getattr(self, name), str):
                object.__setattr__(self, name, said.encode("utf-8", "replace").decode())


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens: of the prompt, of the output (with thoughts), of a cached prompt."""

    prompt: float
    output: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        """Return the cost of one request, US dollars."""
        cached = self.prompt if self.cached is None else self.cached
        paid = (usage.prompt - usage.cached) * self.prompt + usage.cached * cached
        return (paid + usage.output * self.output) / 1e6  # thoughts are among the output


class Provider(Protocol):
    """Answers requests; one object serves a run."""

    @property
    def name(self) -> str:
        """`rules`, `gemini`, `openai`, `transformers` or `replay`."""
        ...

    @property
    def model(self) -> str:
        """The model that is asked for."""
        ...

    @property
    def price(self) -> Price | None:
        """What tokens cost, None where it is not known; free ones have a price of zero."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what decides the answer beside the request: name, model, address; never a key."""
        ...

    def extra_key(self, request: Request) -> Any:
        """Return what else of a request decides the answer: for `rules`, evidence and words; else None."""
        ...

    def estimate(self, request: Request) -> Usage:
        """Return the tokens that the request is expected to take, before it is sent."""
        ...

    async def answer(self, request: Request) -> Outcome:
        """Send the request; every failure that a server or a network may cause is an outcome."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
