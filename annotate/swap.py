"""The swap control: an answer that stays the same with another picture only says the label again.

For a share of the jobs, drawn by hash words, the same request is sent once more with a blank picture, or with
that of another sample. Where the two answers are nearly the same, the picture was not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import cv2
import numpy as np

from facedata.annotate.ask import Asker
from facedata.annotate.checks.base import Answer
from facedata.annotate.checks.duplicates import NEAR, shingles, similarity
from facedata.annotate.compose import judge
from facedata.annotate.jobs import Job
from facedata.annotate.providers.base import Image, Request
from facedata.datasets.canonical import identifier
from facedata.datasets.instructions import Check

__all__ = ["Swap", "control", "with_swaps"]

_RULE = "swap-control"
_GREY = 128


@dataclass(frozen=True, slots=True)
class Swap:
    """How much is controlled: `share` of the jobs, 0-1, by a `blank` grey picture or an `other` sample's."""

    share: float = 0.0
    picture: Literal["blank", "other"] = "blank"


def with_swaps(jobs: Iterable[Job], swap: Swap) -> Iterator[tuple[Job, Request | None]]:
    """Yield each job with the request that controls it, None where it was not drawn.

    `other` takes the picture of the last sample before that differs; the first sample gets a blank one.
    """
    last: Job | None = None
    other: Job | None = None
    for job in jobs:
        if last is not None and last.sample.content_hash != job.sample.content_hash:
            other = last
        last = job
        drawn = swap.share > 0 and job.words.named("swap").chance(swap.share)
        yield job, _swapped(job, other if swap.picture == "other" else None) if drawn else None


def _swapped(job: Job, other: Job | None) -> Request:
    if other is not None:
        return replace(job.request, images=other.request.images)
    blank = blank_image(job.sample.width, job.sample.height)
    return replace(job.request, images=tuple(blank for _ in job.request.images))


def blank_image(width: int, height: int) -> Image:
    """Return a grey picture of that size, px."""
    return Image(identifier("blank", width, height), partial(_blank, width, height))


def _blank(width: int, height: int) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), _GREY, np.uint8))[1].tobytes()


async def control(job: Job, request: Request, asker: Asker, answer: Answer) -> Check:
    """Ask with the swapped picture and compare; severity and `threshold` (0.6) are the task's."""
    if asker.provider.name == "rules":
        return Check(rule=_RULE, status="skip", detail="rules see no picture")
    second = await asker.ask(request)
    if second.outcome.status not in ("ok", "blocked", "invalid"):
        return Check(rule=_RULE, status="skip", detail=f"no second answer: {second.outcome.status}")
    spec = next((spec for spec in job.task.checks if spec.rule == _RULE), None)
    again, _ = judge(job, second.outcome.text if second.outcome.status == "ok" else "")
    if again.response is None:
        return Check(rule=_RULE, status="pass", detail="with another picture there is no answer")
    value = similarity(shingles("\n".join(answer.texts)), shingles("\n".join(again.texts)))
    if value < (spec.settings.get("threshold", NEAR) if spec else NEAR):
        return Check(rule=_RULE, status="pass", detail=f"similarity {value:.2f}")
    severity = spec.severity if spec else "flag"
    detail = f"with another picture the answer stays the same ({value:.2f})"
    return Check(rule=_RULE, status=severity, detail=detail)
