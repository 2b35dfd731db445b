"""The recipe that teaches a vision-language model answers: an instruction set in, an adapter out.

What lies in the folder beside `facedata.recipes.checkpoint`'s card and logs:

adapter_model.safetensors   what was learned, as peft reads it
adapter_config.json         its shape, and where its base is
rows.parquet                the records that were learned from or watched, with their samples
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file
from transformers import TrainerState

from facedata.annotate.providers.local import ADAPTER, ADAPTER_WEIGHTS
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, FacedataError, UsageError
from facedata.datasets.record import write_text
from facedata.recipes.checkpoint import ROWS, card_of, prepare, publish_tensors
from facedata.recipes.faults import out_of_memory
from facedata.recipes.logs import Logs
from facedata.recipes.order import Order
from facedata.recipes.processes import this_process, writing
from facedata.recipes.sft.answers import Chosen, choose_answers
from facedata.recipes.sft.base import find_base, load_base
from facedata.recipes.sft.config import SftConfig
from facedata.recipes.sft.trainer import (
    STATES,
    Progress,
    Trainer,
    Watch,
    newest_state,
    patience_is_out,
    read_state,
    whole_state,
)
from facedata.recipes.stopping import deferred_interrupt

__all__ = ["RECIPE", "TrainedSft", "train_sft"]

RECIPE = "sft"
_LESS = "loop.recompute: true, pictures of fewer pixels, or a smaller base"


@dataclass(frozen=True)
class TrainedSft:
    """What a run came to: `best_loss` is the mean loss of a token of the development answers."""

    root: Path
    steps: int
    best_step: int
    best_loss: float
    learned: int
    parameters: int
    records: int
    answers: int
    dev_records: int
    of: str


def train_sft(
    source: Path,
    target: Path,
    model: str,
    config: SftConfig,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrainedSft:
    """Train an adapter of the base `model` on the records of the dataset `source`, and write it to `target`.

    `model` is a folder or a name of the hub; it is read, and never changed. What is kept is the adapter of
    the look at the development records with the least loss. With `resume` the run goes on from its newest
    state to the numbers that it would have come to. Raises what `choose_answers` and `load_base` raise;
    TargetError where `target` is another run's; FacedataError, naming the samples, where the loss is no
    number any more; UsageError, naming the batch to try, where memory runs out; and KeyboardInterrupt after
    Ctrl-C, once a state is written.
    """
    dataset = Dataset.open(source)
    rows = choose_answers(dataset, config.rows, config.loop.seed)
    base = find_base(model)
    processor, net = load_base(base, config.lora, config.loop.seed)
    counts = {"records": len(rows.train.records), "dev_records": len(rows.dev.records)}
    card = card_of(RECIPE, dataset, config.model_dump(mode="json"), base=base.to_json(), **counts)
    shared = this_process()
    with writing(target):
        if shared.is_main_process:
            prepare(target, card, resume=resume, overwrite=overwrite)
            _write_rows(target, rows)
        shared.wait_for_everyone()
        try:
            _train(net, processor, dataset, rows, config, target, resume, progress)
        except RuntimeError as error:
            raise out_of_memory(error, config.loop, _LESS) from None
        state = _state(target)
        if state is None or not state.best_global_step:
            raise FacedataError(
                f"{target}: the loss of the development records was no number at any look; lower loop.rate"
            )
        learned, parameters = net.get_nb_trainable_parameters()
        if this_process().is_main_process:
            _publish(target, state, {**card, "learned": learned, "parameters": parameters})
        return TrainedSft(
            target,
            state.global_step,
            state.best_global_step,
            float(state.best_metric or 0.0),
            learned,
            parameters,
            **counts,
            answers=len(rows.train.rows),
            of=rows.of,
        )


def _train(
    net: Any,
    processor: Any,
    dataset: Dataset,
    rows: Chosen,
    config: SftConfig,
    target: Path,
    resume: bool,
    progress: Progress | None,
) -> None:
    pace, shared = config.loop, this_process()
    if torch.cuda.device_count() > 1 and shared.num_processes == 1:
        raise UsageError(
            "several GPUs are there, and one process trains on one: start it with accelerate launch, or "
            "choose one by CUDA_VISIBLE_DEVICES=0"
        )
    before = _state(target) if resume else None
    if before and before.global_step > pace.steps:
        raise UsageError(f"{target} has been trained for {before.global_step} steps already; ask for more")
    if before and (before.global_step == pace.steps or patience_is_out(before, pace)):
        return
    order = Order([0] * len(rows.train.rows), pace.seed)
    places = order.between(0, pace.steps * pace.accumulate * pace.batch * shared.num_processes)
    trainer = Trainer(
        net,
        pace,
        target,
        rows.train,
        places,
        processing_class=processor,
        train_dataset=rows.train.table(dataset, places),
        eval_dataset=rows.dev.table(dataset),
    )
    logs = Logs(target, before.global_step if before else 0) if shared.is_main_process else None
    try:
        with deferred_interrupt() as stopped:
            watch = Watch(pace, logs, lambda: trainer.agreed(stopped()), progress)
            trainer.add_callback(watch)
            trainer.train(resume_from_checkpoint=str(newest_state(target)) if before else None)
            if watch.met:
                raise KeyboardInterrupt
    finally:
        if logs:
            logs.close()


def _state(target: Path) -> TrainerState | None:
    newest = newest_state(target)
    return None if newest is None else read_state(newest)


def _publish(target: Path, state: TrainerState, card: dict[str, Any]) -> None:
    """Put the adapter of the best look beside the card."""
    best = target / STATES / f"checkpoint-{state.best_global_step}"
    if not whole_state(best):
        raise DatasetError(f"{best}, the best look, is damaged; train again with --overwrite")
    write_text(target / ADAPTER, (best / ADAPTER).read_text("utf-8"))
    found = {"step": state.best_global_step, "loss": state.best_metric, "of": state.global_step}
    publish_tensors(target, ADAPTER_WEIGHTS, load_file(best / ADAPTER_WEIGHTS), {**card, "best": found})


def _write_rows(target: Path, rows: Chosen) -> None:
    parts = [
        pd.DataFrame({"record_id": one.records, "sample_id": one.samples, "part": name})
        for name, one in (("train", rows.train), ("dev", rows.dev))
    ]
    pd.concat(parts, ignore_index=True).to_parquet(target / ROWS)
