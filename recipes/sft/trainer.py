"""TRL's trainer, held to what every recipe promises: steps that are a function of the seed and their number.

Which answers a batch holds is fixed before the run begins, and each step draws its dropout from the seed and
its number; so a state is the adapter and what the optimizer remembers, both safetensors, beside the JSON that
transformers keeps of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from facedata.annotate.providers.local import ADAPTER, ADAPTER_WEIGHTS
from facedata.datasets.errors import DatasetError
from facedata.datasets.seal import SEAL_NAME, seal, sealed
from facedata.recipes.faults import diverged
from facedata.recipes.logs import Logs
from facedata.recipes.schedule import share_of_rate
from facedata.recipes.sft.answers import Answers
from facedata.recipes.sft.config import SftPace
from facedata.recipes.states import moments_of, put_moments

__all__ = [
    "STATES",
    "Progress",
    "Trainer",
    "Watch",
    "newest_state",
    "patience_is_out",
    "read_state",
    "whole_state",
]

Progress = Callable[[int, int, Mapping[str, float]], None]
STATES = "states"
_MOMENTS, _STATE = "optimizer.safetensors", "trainer_state.json"
_SEALED = (ADAPTER, ADAPTER_WEIGHTS, _MOMENTS, _STATE)
_TOLD = {"loss": "loss", "mean_token_accuracy": "accuracy", "grad_norm": "gradient", "learning_rate": "rate"}
"""What is logged of what the trainer tells, and as what."""


class Trainer(SFTTrainer):  # type: ignore[misc]  # TRL has no types of its own
    """Trains the adapter in `model`; `order` says which row of `answers` stands where."""

    def __init__(
        self, model: Any, pace: SftPace, target: Path, answers: Answers, order: list[int], **more: Any
    ) -> None:
        self._pace, self._target, self._answers, self._order = pace, target, answers, order
        self._part = 0  # batches of the step at hand that are done
        learned = [one for one in model.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(learned, pace.rate, weight_decay=pace.weight_decay)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: share_of_rate(step, pace))
        arguments = _arguments(pace, target / STATES)
        super().__init__(model=model, args=arguments, optimizers=(optimizer, rates), **more)
        self.remove_callback(PrinterCallback)  # it prints on standard output

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Return a batch's loss, once its gradient is taken; raise FacedataError where it is no number."""
        if self._part == 0:
            torch.manual_seed(self._pace.seed + self.state.global_step)  # dropout
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not bool(torch.isfinite(loss)):
            raise self._diverged(model, loss)
        self._part = (self._part + 1) % self._pace.accumulate
        return loss

    def _diverged(self, model: Any, loss: torch.Tensor) -> Exception:
        """Keep the state before the step, unless that is no number either, and return what to say."""
        step, pace = self.state.global_step, self._pace
        number = (step * pace.accumulate + self._part) * self.accelerator.num_processes
        first = (number + self.accelerator.process_index) * pace.batch
        rows = self._order[first : first + pace.batch]
        samples = dict.fromkeys(self._answers.rows[row][0] for row in rows)
        whole = all(bool(one.isfinite().all()) for one in model.parameters() if one.requires_grad)
        alone = self.accelerator.num_processes == 1  # others would be waited for, which met no such loss
        if step and alone and whole and not (self._target / STATES / f"checkpoint-{step}").is_dir():
            self._save_checkpoint(model, None)
        return diverged(step + 1, {"loss": loss}, tuple(samples), self._target, newest_state(self._target))

    def agreed(self, stopped: bool) -> bool:
        """Whether any of the processes that train together was stopped; all of them ask at once."""
        if stopped:
            self.accelerator.set_trigger()
        return bool(self.accelerator.check_trigger())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            seal(self._target / STATES / f"checkpoint-{self.state.global_step}", _SEALED)

    # What follows is in place of pickles that transformers would write, and of word that TRL would send home.

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save:
            self.model.save_pretrained(output_dir, state_dict=state_dict, save_embedding_layers=False)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.args.should_save:
            moments = {name: one.contiguous() for name, one in moments_of(self.optimizer).items()}
            save_file(moments, Path(output_dir) / _MOMENTS)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        put_moments(self.optimizer, load_file(Path(checkpoint) / _MOMENTS))
        step = self.state.global_step
        rate = self._pace.rate * share_of_rate(step, self._pace)
        known = self.lr_scheduler.state_dict()
        self.lr_scheduler.load_state_dict({**known, "last_epoch": step, "_last_lr": [rate]})
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _save_rng_state(self, output_dir: str) -> None:
        del output_dir  # each step draws from a seed of its own

    def _send_telemetry(self) -> None:
        pass

    def create_model_card(self, *told: Any, **named: Any) -> None:
        """Write none beside a state: the run's card is training.json."""


class Watch(TrainerCallback):
    """Writes the logs, and stops a run when its patience is out or Ctrl-C was met."""

    def __init__(
        self, pace: SftPace, logs: Logs | None, stopped: Callable[[], bool], progress: Progress | None
    ) -> None:
        self._pace, self._logs, self._stopped, self._progress = pace, logs, stopped, progress
        self.met = False
        """Whether Ctrl-C was met."""

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Write what a step, or a look, came to; after Ctrl-C, have a state written and the run end."""
        del args
        logs = more["logs"]
        if "loss" in logs:
            values = {told: float(logs.get(name, "nan")) for name, told in _TOLD.items()}
            if self._logs:
                self._logs.step(state.global_step, values)
            if self._progress:
                self._progress(state.global_step, self._pace.steps, values)
        elif "eval_loss" in logs and self._logs:
            accuracy = float(logs.get("eval_mean_token_accuracy", "nan"))
            self._logs.dev(state.global_step, {"loss": float(logs["eval_loss"]), "accuracy": accuracy})
        self.met = self._stopped() or self.met
        if self.met:
            control.should_save = control.should_training_stop = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Stop where this look is the last that patience allows."""
        del args
        gained = state.best_metric is None or more["metrics"]["eval_loss"] < state.best_metric
        if not gained and patience_is_out(state, self._pace):
            control.should_training_stop = True


def patience_is_out(state: TrainerState, pace: SftPace) -> bool:
    """Whether the looks since the best one are as many as are waited for."""
    stale = (state.global_step - (state.best_global_step or 0)) // pace.dev_every
    return pace.patience is not None and stale >= pace.patience


def newest_state(target: Path) -> Path | None:
    """Return the newest whole state of a run, None where there is none."""
    found = [one.parent for one in (target / STATES).glob(f"checkpoint-*/{SEAL_NAME}")]
    return max(found, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def whole_state(path: Path) -> bool:
    """Whether a state is as it was written."""
    return sealed(path, _SEALED)


def read_state(path: Path) -> TrainerState:
    """Return what transformers keeps of a run; raise DatasetError where a state cannot be read."""
    if not whole_state(path):
        raise DatasetError(
            f"{path} cannot be read (it is not what was written); remove it to go on from the state before"
        )
    found: TrainerState = TrainerState.load_from_json(str(path / _STATE))
    return found


def _arguments(pace: SftPace, states: Path) -> SFTConfig:
    """Return what TRL and transformers are told; what is not named here they decide as they always do."""
    return SFTConfig(
        output_dir=str(states),
        max_steps=pace.steps,
        per_device_train_batch_size=pace.batch,
        per_device_eval_batch_size=pace.batch,
        gradient_accumulation_steps=pace.accumulate,
        max_grad_norm=pace.clip,
        bf16=pace.precision == "bf16",
        activation_checkpointing=pace.recompute,
        seed=pace.seed % 2**32,  # of what transformers draws itself, which is nothing that counts
        use_cpu=not torch.accelerator.is_available(),
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        max_length=None,  # a cut could fall into a picture's tokens
        completion_only_loss=True,
        eval_strategy="steps",
        eval_steps=pace.dev_every,
        save_strategy="steps",
        save_steps=pace.dev_every,
        save_total_limit=2,
        metric_for_best_model="loss",
        greater_is_better=False,
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
    )
