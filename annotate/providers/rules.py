"""The offline provider: text from labels alone, by the task's own rules. Free, and always the same."""

from __future__ import annotations

import json
from typing import Any

from facedata.annotate.providers.base import Outcome, Price, Request
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

__all__ = ["Rules"]


class Rules:
    """Writes what a task's `rules` say; it sees no picture, and claims nothing beyond the labels."""

    name = "rules"
    model = "rules-1"
    price = Price(0.0, 0.0)

    def settings(self) -> dict[str, Any]:
        """Return name and version."""
        return {"provider": self.name, "model": self.model}

    def extra_key(self, request: Request) -> Any:
        """Return what the text depends on: evidence, the task's templates and the words' first draw."""
        return [request.evidence, request.task.template_hash, request.words.named("key").word()]

    def estimate(self, request: Request) -> Usage:
        """Return nothing: no token is paid for."""
        del request
        return Usage()

    async def answer(self, request: Request) -> Outcome:
        """Write the answer."""
        try:
            written = request.task.written(request.evidence, request.words)
        except UsageError as error:
            return Outcome(status="error", detail=str(error))
        return Outcome(status="ok", text=json.dumps(written, ensure_ascii=False), model=self.model)

    async def close(self) -> None:
        """Nothing is held."""
