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
from peft import LoraConfig as PeftLora
from peft import PeftModel, get_peft_model
from safetensors import SafetensorError
from safetensors.torch import load_file

from facedata.annotate.providers.local import (
    ADAPTER,
    ADAPTER_WEIGHTS,
    fingerprint,
    folder_of,
    load,
    peft_at_work,
)
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError, UsageError
from facedata.datasets.record import write_text
from facedata.recipes.checkpoint import ROWS, card_of, prepare, publish_tensors
from facedata.recipes.faults import out_of_memory
from facedata.recipes.logs import Logs
from facedata.recipes.order import Order
from facedata.recipes.sft.answers import Chosen, choose_answers
from facedata.recipes.sft.config import LoraConfig, SftConfig
from facedata.recipes.sft.trainer import (
    STATES,
    Progress,
    Trainer,
    Watch,
    newest_state,
    patience_is_out,
    read_state,
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
    folder = folder_of(model, fetch=True)
    _refuse_base(folder)
    base = {"name": folder.resolve().name if folder == Path(model).expanduser() else model}
    base["files"] = fingerprint(folder)
    counts = {"records": len(rows.train.records), "dev_records": len(rows.dev.records)}
    card = card_of(RECIPE, dataset, config.model_dump(mode="json"), base=base, **counts)
    reference = model if folder != Path(model).expanduser() else str(folder.resolve())
    processor, net = load_base(folder, config.lora, reference, config.loop.seed)
    prepare(target, card, resume=resume, overwrite=overwrite)
    _write_rows(target, rows)
    learned, parameters = net.get_nb_trainable_parameters()
    try:
        _train(net, processor, dataset, rows, config, target, resume, progress)
    except RuntimeError as error:
        raise out_of_memory(error, config.loop, _LESS) from None
    newest = newest_state(target)
    state = read_state(newest) if newest else None
    if state is None or not state.best_global_step:
        raise FacedataError(
            f"{target}: the loss of the development records was no number at any look; lower loop.rate"
        )
    best = target / STATES / f"checkpoint-{state.best_global_step}"
    write_text(target / ADAPTER, (best / ADAPTER).read_text("utf-8"))
    found = {"step": state.best_global_step, "loss": state.best_metric, "of": state.global_step}
    sizes = {"learned": learned, "parameters": parameters}
    publish_tensors(
        target, ADAPTER_WEIGHTS, load_file(best / ADAPTER_WEIGHTS), {**card, **sizes, "best": found}
    )
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
    net: PeftModel,
    processor: Any,
    dataset: Dataset,
    rows: Chosen,
    config: SftConfig,
    target: Path,
    resume: bool,
    progress: Progress | None,
) -> None:
    pace = config.loop
    newest = newest_state(target) if resume else None
    before = read_state(newest) if newest else None
    if before and before.global_step > pace.steps:
        raise UsageError(f"{target} has been trained for {before.global_step} steps already; ask for more")
    if before and (before.global_step == pace.steps or patience_is_out(before, pace)):
        return
    order = Order([0] * len(rows.train.rows), pace.seed)
    places = order.between(0, pace.steps * pace.accumulate * pace.batch)
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
    logs = Logs(target, before.global_step if before else 0)
    try:
        with deferred_interrupt() as stopped:
            trainer.add_callback(Watch(pace, logs, stopped, progress))
            trainer.train(resume_from_checkpoint=str(newest) if newest else None)
            if stopped():
                raise KeyboardInterrupt
    finally:
        logs.close()


def load_base(folder: Path, config: LoraConfig, reference: str, seed: int) -> tuple[Any, PeftModel]:
    """Return the processor of a base, and the base with a fresh adapter beside its frozen weights.

    `reference` is what the adapter calls its base. Raises UsageError where it is no vision-language model.
    """
    try:
        processor, model = load(folder)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"{folder.name} cannot be loaded as a vision-language model ({reason}); give one that "
            "transformers knows as such (AutoModelForImageTextToText)"
        ) from None
    if getattr(processor, "image_processor", None) is None:
        raise UsageError(
            f"{folder.name} reads texts alone (it has no image processor); give a vision-language model"
        )
    if processor.chat_template is None:
        raise UsageError(f"{folder.name} has no chat template; give a model that was tuned to converse")
    layers = config.layers if isinstance(config.layers, str) else list(config.layers)
    told = PeftLora(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=layers,
        base_model_name_or_path=reference,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    try:
        with peft_at_work():
            return processor, get_peft_model(model, told)
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"lora.layers: {config.layers!r} cannot be had of {folder.name}: {reason}") from None


def _refuse_base(folder: Path) -> None:
    if (folder / ADAPTER).is_file():
        raise UsageError(f"{folder} is an adapter already; give its base, or merge the two first")
    if not (folder / "config.json").is_file():
        raise UsageError(f"{folder} is no folder of a model (it has no config.json); give one with --model")
    if not any(folder.glob("*.safetensors")):
        raise UsageError(
            f"{folder} has no safetensors, and loading a pickle could run code; convert its weights"
        )


def _write_rows(target: Path, rows: Chosen) -> None:
    parts = [
        pd.DataFrame({"record_id": one.records, "sample_id": one.samples, "part": name})
        for name, one in (("train", rows.train), ("dev", rows.dev))
    ]
    pd.concat(parts, ignore_index=True).to_parquet(target / ROWS)
