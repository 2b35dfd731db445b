"""The providers by name, and how each is opened. Their libraries are imported when one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facedata.annotate.providers.base import Price, Provider
from facedata.datasets.errors import UsageError

__all__ = ["PROVIDERS", "Opening", "open_provider"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a provider may be told: see `PROVIDERS` for which takes what.

    `tell` is given lines for people. A provider opened for `planning` is never asked, and needs no key.
    """

    model: str | None = None
    base_url: str | None = None
    price: Price | None = None
    batch: bool = False
    device: str | None = None
    batch_size: int = 4
    recorded: Path | None = None
    tell: Callable[[str], None] | None = None
    planning: bool = False


def _rules(opening: Opening) -> Provider:
    from facedata.annotate.providers.rules import Rules

    _refuse(opening, "rules", "model", "base_url", "price", "batch", "recorded", "device")
    return Rules()


def _gemini(opening: Opening) -> Provider:
    from facedata.annotate.providers.gemini import Gemini
    from facedata.annotate.providers.gemini_batch import GeminiBatch

    _refuse(opening, "gemini", "recorded", "device")
    kind = GeminiBatch if opening.batch else Gemini
    return kind(
        _model(opening, "gemini", "gemini-2.5-flash"),
        base_url=opening.base_url,
        price=opening.price,
        planning=opening.planning,
    )


def _openai(opening: Opening) -> Provider:
    from facedata.annotate.providers.openai import OpenAI

    _refuse(opening, "openai", "batch", "recorded", "device")
    return OpenAI(
        _model(opening, "openai", "the name that the server lists"),
        base_url=opening.base_url,
        price=opening.price,
        planning=opening.planning,
        tell=opening.tell,
    )


def _transformers(opening: Opening) -> Provider:
    from facedata.annotate.providers.transformers import Transformers

    _refuse(opening, "transformers", "base_url", "price", "batch", "recorded")
    path = Path(_model(opening, "transformers", "the folder of a model"))
    return Transformers(path, device=opening.device, batch_size=opening.batch_size)


def _replay(opening: Opening) -> Provider:
    from facedata.annotate.providers.replay import Replay

    _refuse(opening, "replay", "model", "base_url", "price", "batch", "device")
    if opening.recorded is None:
        raise UsageError("replay needs recorded answers; give a journal or JSON lines with --recorded")
    return Replay(opening.recorded)


PROVIDERS: dict[str, tuple[str, Callable[[Opening], Provider]]] = {
    "rules": ("text from labels alone, by the task's rules; offline, free, always the same", _rules),
    "gemini": ("Gemini through google-genai; --model, GEMINI_API_KEY; --batch at half the price", _gemini),
    "openai": ("an OpenAI-compatible server (vLLM, Ollama, llama.cpp); --model, --base-url", _openai),
    "transformers": ("a local vision-language model; --model FOLDER", _transformers),
    "replay": ("answers recorded before; --recorded FILE, a journal or JSON lines", _replay),
}
"""What each provider is, in a line, and what opens it."""


def open_provider(name: str, opening: Opening | None = None) -> Provider:
    """Return the provider `name`; raise UsageError where it is unknown or lacks something."""
    if name not in PROVIDERS:
        raise UsageError(f"no provider {name!r}; there are {', '.join(PROVIDERS)}")
    return PROVIDERS[name][1](opening or Opening())


def _model(opening: Opening, provider: str, example: str) -> str:
    if not opening.model:
        raise UsageError(f"{provider} needs --model: {example}")
    return opening.model


def _refuse(opening: Opening, provider: str, *names: str) -> None:
    for name in names:
        if getattr(opening, name):
            raise UsageError(f"{provider} takes no --{name.replace('_', '-')}; leave it out")
