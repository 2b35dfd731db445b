"""A local vision-language model through transformers, loaded from a folder: a whole model, or an adapter.

Greedy requests that wait together are answered together, a few at a time; sampled ones go one by one, each
from a seed of its own, so that an answer does not depend on what else was asked. The model runs in one worker
thread, so the run goes on while it works.
"""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from facedata.annotate.providers import local
from facedata.annotate.providers.base import Outcome, Price, Request
from facedata.annotate.providers.common import estimated, message_of, missing_extra
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Usage

__all__ = ["Transformers"]

_IMAGE_TOKENS = 1024  # an estimate; nothing is paid for
_GATHER = 0.005  # s that a greedy request waits for company


class Transformers:
    """Asks the model in the folder `path` on `device`, up to `batch_size` greedy requests at once."""

    name = "transformers"
    price = Price(0.0, 0.0)

    def __init__(self, path: Path, *, device: str | None = None, batch_size: int = 4) -> None:
        if not any((path / name).is_file() for name in ("config.json", local.ADAPTER)):
            raise UsageError(
                f"{path} is no folder of a model (it has no config.json and no {local.ADAPTER}); give one "
                "with --model"
            )
        self.path = path
        self.model = path.resolve().name
        self._fingerprint = local.fingerprint(path)
        self._device = device
        self._batch_size = batch_size
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="facedata-model")
        self._loading = threading.Lock()
        self._loaded: _Model | None = None
        self._waiting: list[tuple[Request, asyncio.Future[Outcome]]] = []
        self._tending: asyncio.Task[None] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the model's name and the hash of its files."""
        return {"provider": self.name, "model": self.model, "files": self._fingerprint}

    def extra_key(self, request: Request) -> Any:
        """Return nothing: the model sees texts and pictures alone."""
        del request

    def estimate(self, request: Request) -> Usage:
        """Return the tokens that a request may take."""
        return estimated(request, _IMAGE_TOKENS * len(request.images))

    async def answer(self, request: Request) -> Outcome:
        """Have the model write the answer, in company where it is greedy."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._tending is None or self._tending.done():
            self._tending = asyncio.create_task(self._tend())
        return await future

    async def _tend(self) -> None:
        await asyncio.sleep(_GATHER)
        while batch := self._next():
            outcomes = await self._outcomes([request for request, _ in batch])
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _outcomes(self, requests: Sequence[Request]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._worker, self._write, requests)
        except UsageError as error:  # there is no model: every other request would fail the same way
            return [Outcome(status="error", detail=str(error), fatal=True)] * len(requests)
        except Exception as error:  # noqa: BLE001 - a model's own failure is an outcome like a server's
            if len(requests) > 1:  # one of them, or all in one memory: each is tried alone
                return [one for request in requests for one in await self._outcomes([request])]
            words = message_of(f"{type(error).__name__}: {error}")
            return [Outcome(status="error", detail=f"the model failed: {words}")]

    def _next(self) -> list[tuple[Request, asyncio.Future[Outcome]]]:
        """Take the next requests that may go together off the line."""
        self._waiting = [pair for pair in self._waiting if not pair[1].done()]
        if not self._waiting:
            return []
        first = self._waiting[0][0].sampling
        size = 1 if first.temperature > 0 else self._batch_size
        alike = [pair for pair in self._waiting if pair[0].sampling == first][:size]
        taken = {id(future) for _, future in alike}
        self._waiting = [pair for pair in self._waiting if id(pair[1]) not in taken]
        return alike

    def _write(self, requests: Sequence[Request]) -> list[Outcome]:
        with self._loading:
            if self._loaded is None:
                self._loaded = _loaded(self.path, self._device)
        return self._loaded.write(requests, self.model)

    async def close(self) -> None:
        """Let go of the model."""
        if self._tending is not None:
            self._tending.cancel()
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._loaded = None


def _loaded(path: Path, device: str | None) -> _Model:
    try:
        return _Model(path, device)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a library makes of files and devices that are not right
        words = message_of(f"{type(error).__name__}: {error}")
        raise UsageError(
            f"the model {path.name} cannot be loaded ({words}); check its files, and --device"
        ) from None


class _Model:
    """Processor and weights, in memory."""

    def __init__(self, path: Path, device: str | None) -> None:
        try:
            import torch
            import transformers  # noqa: F401 - whether it is there
        except ImportError:
            raise missing_extra("transformers and torch", "synth") from None
        self.processor, model = local.load(path)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).eval()
        self.tokenizer = local.take_pad_token(self.processor)
        self.tokenizer.padding_side = "left"  # what is written follows the prompt at once

    def write(self, requests: Sequence[Request], name: str) -> list[Outcome]:
        """Return the answers to requests of one sampling."""
        import torch

        inputs = self._inputs(requests)
        prompt_length = inputs["input_ids"].shape[1]
        sampling = requests[0].sampling
        options: dict[str, Any] = {"max_new_tokens": sampling.max_tokens, "do_sample": False}
        if sampling.temperature > 0:
            options |= {"do_sample": True, "temperature": sampling.temperature, "top_k": 0}
            options["top_p"] = sampling.top_p or 1.0
        devices = [self.device] if self.device.startswith("cuda") else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(int(requests[0].question()[:15], 16))  # a sampled request comes alone
            written = self.model.generate(**inputs, pad_token_id=self.tokenizer.pad_token_id, **options)
        ends = self._ends()
        rows = written[:, prompt_length:].tolist()
        sizes = inputs["attention_mask"].sum(dim=1).tolist()
        return [self._outcome(row, size, ends, name) for row, size in zip(rows, sizes, strict=True)]

    def _inputs(self, requests: Sequence[Request]) -> Any:
        texts = [
            self.processor.apply_chat_template(_messages(request), add_generation_prompt=True, tokenize=False)
            for request in requests
        ]
        pictures = [[_picture(image.read()) for image in request.images] for request in requests]
        given = {"images": pictures} if any(pictures) else {}
        return self.processor(text=texts, padding=True, return_tensors="pt", **given).to(
            self.device, self.model.dtype
        )

    def _ends(self) -> set[int]:
        stated = self.model.generation_config.eos_token_id
        listed = stated if isinstance(stated, list) else [stated]
        return {token for token in (*listed, self.tokenizer.eos_token_id) if token is not None}

    def _outcome(self, row: list[int], prompt: int, ends: set[int], name: str) -> Outcome:
        length = next((place for place, token in enumerate(row) if token in ends), None)
        kept = row if length is None else row[:length]
        text = self.tokenizer.decode(kept, skip_special_tokens=True).strip()
        known: dict[str, Any] = {"model": name, "usage": Usage(prompt=prompt, output=len(kept))}
        if length is None:
            detail = "cut off at the token limit; raise --max-tokens"
            return Outcome(status="truncated", text=text, detail=detail, **known)
        if not text:
            return Outcome(status="invalid", detail="the model wrote nothing", **known)
        return Outcome(status="ok", text=text, **known)


def _messages(request: Request) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"type": "image"} for _ in request.images]
    messages = [{"role": "user", "content": [*parts, {"type": "text", "text": request.prompt}]}]
    if request.system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": request.system}]})
    return messages


def _picture(data: bytes) -> Any:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB")
