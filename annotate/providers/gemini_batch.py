"""Gemini's batch mode: half the price, answers within a day, rows in any order.

Row keys were seen to come back mismatched, so the key of a request is carried inside prompt and response
schema, and what comes back under it is believed. A row without text (a refusal, an error) has only the
server's word for whose it is; that is believed where the same job's other rows were all labelled rightly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from facedata.annotate.batch import BatchFailedError, Fetched
from facedata.annotate.providers.base import Outcome, Price, Request
from facedata.annotate.providers.common import message_of, without
from facedata.annotate.providers.gemini import Gemini, configuration, failure, outcome_of
from facedata.datasets.errors import ServiceError

if TYPE_CHECKING:
    from google.genai import types

__all__ = ["GeminiBatch"]

_FIELD = "request_key"
_LENGTH = 16  # hex digits of a key that are carried
_CARRIED = re.compile(rf'"{_FIELD}"\s*:\s*"([0-9a-f]{{{_LENGTH}}})"')
_ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED")
_FAILED = ("JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED")


class GeminiBatch(Gemini):
    """Gemini asked by jobs; single requests are sent as ever, and priced as such only where they are made."""

    batch_bytes = 20_000_000
    inline = 3_500_000
    """Bytes of pictures that go within a row, so that it takes a quarter of a job at most."""

    @property
    def price(self) -> Price | None:
        """Half of what single requests cost."""
        full = self._price
        return None if full is None else Price(full.prompt / 2, full.output / 2)

    def batch_row(self, key: str, request: Request) -> tuple[Any, int]:
        """Return a request as a row of a job, and its size, bytes as sent."""
        raw = sum(len(image.read()) for image in request.images)
        size = 0 if raw > self.inline else 4 * raw // 3
        carried = key[:_LENGTH]
        prompt = f'{request.prompt}\n\nPut "{carried}" into the field {_FIELD} of your answer, first of all.'
        asked = replace(request, prompt=prompt, schema=_carrying(request.schema, carried))
        return {"request": asked, "key": carried}, size + len(prompt) + len(request.system) + len(
            json.dumps(asked.schema)
        ) + 500

    async def submit(self, label: str, rows: Sequence[Any]) -> str:
        """Send a job and return its name."""
        from google.genai import types

        inlined = []
        try:
            for row in rows:
                request: Request = row["request"]
                inlined.append(
                    types.InlinedRequest(
                        contents=await self._contents(request),
                        metadata={"key": row["key"]},
                        config=types.GenerateContentConfig.model_validate(configuration(request)),
                    )
                )
            job = await self.client.aio.batches.create(
                model=self.model, src=inlined, config={"display_name": label}
            )
        except Exception as error:  # noqa: BLE001 - classified in `failure`
            raise ServiceError(f"no batch could be sent: {failure(error, self._key).detail}") from None
        return str(job.name)

    async def find(self, label: str) -> str | None:
        """Return the name of the job that was sent under a label, None where none arrived."""
        try:
            async for job in await self.client.aio.batches.list():
                if job.display_name == label and _word(job) not in _FAILED:
                    return job.name
        except Exception as error:  # noqa: BLE001 - classified in `failure`
            raise ServiceError(f"batches cannot be listed: {failure(error, self._key).detail}") from None
        return None

    async def fetch(self, name: str, keys: Sequence[str]) -> Fetched | None:
        """Return the outcomes of a finished job, None while it runs or cannot be reached."""
        try:
            job = await self.client.aio.batches.get(name=name)
        except Exception as error:  # noqa: BLE001 - classified in `failure`
            outcome = failure(error, self._key)
            if outcome.retryable:
                return None
            kind = BatchFailedError if getattr(error, "code", None) == 404 else ServiceError
            raise kind(f"batch {name} cannot be fetched: {outcome.detail}") from None
        if _word(job) in _FAILED:
            words = message_of(job.error.message if job.error else "", self._key)
            raise BatchFailedError(f"batch {name} ended as {_word(job)} {words}; run again to send it anew")
        if _word(job) not in _ENDED:
            return None
        rows = (job.dest.inlined_responses if job.dest else None) or []
        return _sorted_out(rows, {key[:_LENGTH]: key for key in keys}, self._key)


def _word(job: types.BatchJob) -> str:
    return "" if job.state is None else str(job.state.value)


def _carrying(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the schema with a first field that can only hold the key."""
    properties = {_FIELD: {"type": "string", "enum": [key]}, **schema.get("properties", {})}
    return {**schema, "properties": properties, "required": [_FIELD, *schema.get("required", ())]}


def _sorted_out(rows: Sequence[types.InlinedResponse], keys: Mapping[str, str], secret: str) -> Fetched:
    """Return the rows' outcomes under the keys that they carry."""
    outcomes: dict[str, Outcome] = {}
    problems: list[str] = []
    strays: list[Outcome] = []
    doubled: set[str] = set()
    mute: list[tuple[str, Outcome]] = []
    mislabelled = False
    for row in rows:
        label = (row.metadata or {}).get("key", "")
        if row.response is None:
            words = message_of(row.error.message if row.error else "no response", secret)
            problems.append(f"a row failed: {words}")
            continue
        outcome = without(outcome_of(row.response), secret)
        found = _CARRIED.search(outcome.text)
        if found is None:
            mute.append((label, outcome))
            continue
        carried = found.group(1)
        mislabelled = mislabelled or carried != label
        if carried not in keys:
            problems.append(f"a row carries the key {carried}, which no request has")
            strays.append(outcome)
            continue
        answer = replace(outcome, text=_without_key(outcome.text))
        if outcomes.setdefault(keys[carried], answer).text != answer.text:
            doubled.add(keys[carried])
            strays.append(answer)
    for key in doubled:  # one of them is another request's answer, and nobody knows which
        problems.append(f"several rows that differ carry the key {key[:_LENGTH]}")
        strays.append(outcomes.pop(key))
    trusted = bool(outcomes) and not mislabelled and not problems
    for label, outcome in mute:
        if trusted and label in keys and keys[label] not in outcomes:
            outcomes[keys[label]] = outcome
        else:
            problems.append(
                f"a row without a key cannot be placed: {outcome.status} {outcome.detail}".strip()
            )
            strays.append(outcome)
    return Fetched(outcomes, problems, strays)


def _without_key(text: str) -> str:
    """Return an answer as the task's schema has it; one that is no JSON stays as it came."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict):
        value.pop(_FIELD, None)
    return json.dumps(value, ensure_ascii=False)
