"""The training loop of every recipe: every step a function of the seed and its number.

The seam. The loop knows no task. A recipe (`facedata.recipes.recipe.Recipe`) gives

    config    how long, how fast and how safely (`LoopConfig`)
    module    a fresh network with its losses: `module(batch)` returns named losses, whose sum is minimised
    batch     batch number n, made on the CPU by a thread: a pure function of the seed and n; it has `samples`
    place     that batch on a device, and augmented there
    measure   what the development set says of a module: the first value decides, lower is better

and gets back the module with the averaged weights of its best look at the development set. What a recipe
remembers from batch to batch is a buffer of its module, so that states hold it. Step s learns from the
batches (s * accumulate + m) * processes + rank, whoever makes them and however often the run was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facedata.datasets.ahead import ahead
from facedata.datasets.errors import FacedataError, UsageError
from facedata.recipes.faults import diverged, out_of_memory
from facedata.recipes.logs import Logs
from facedata.recipes.processes import accelerator_of
from facedata.recipes.recipe import Recipe
from facedata.recipes.schedule import averaging, share_of_rate
from facedata.recipes.states import State, newest_state
from facedata.recipes.stopping import deferred_interrupt

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A run that ended: the module with its best weights, and the step and the score of that look."""

    module: nn.Module
    steps: int
    best_step: int
    best_score: float
    loss: float
    main: bool
    """Whether this process is the one that writes."""


def train(
    recipe: Recipe,
    target: Path,
    *,
    resume: bool = False,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
) -> Trained:
    """Train in the folder `target`, which holds the logs and states of this very run, or nothing.

    With `resume` the run goes on from its newest state to the numbers that it would have come to had it not
    stopped. Raises FacedataError, naming the samples, where the loss is no number any more: the state before
    that step is kept; UsageError, naming the batch to try, where memory runs out; and KeyboardInterrupt after
    Ctrl-C, once a state is written.
    """
    return _Run(recipe, target, resume, progress).make()


class _Run:
    def __init__(self, recipe: Recipe, target: Path, resume: bool, progress: Any) -> None:
        self.recipe, self.config, self.target, self.progress = recipe, recipe.config, target, progress
        self.accelerator = accelerator_of(self.config)
        torch.manual_seed(self.config.seed)
        module = recipe.module()
        trained = [one for one in module.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(trained, self.config.rate, weight_decay=self.config.weight_decay)
        average = AveragedModel(module, multi_avg_fn=averaging(self.config.ema))
        self.state = State(module, average, optimizer, scaler=self.accelerator.scaler)
        if resume and (found := newest_state(target)):
            self.state.load(found)
        if self.state.step > self.config.steps:
            raise UsageError(f"{target} has been trained for {self.state.step} steps already; ask for more")
        average.to(self.accelerator.device)
        self.net, self.optimizer = self.accelerator.prepare(module, optimizer)
        self.state.optimizer = self.optimizer
        self.loss = math.nan

    def make(self) -> Trained:
        config, state, main = self.config, self.state, self.accelerator.is_main_process
        shared = self.accelerator.num_processes
        first = state.step * config.accumulate
        numbers = range(first * shared, config.steps * config.accumulate * shared)
        batches = ahead(self.recipe.batch, numbers[self.accelerator.process_index :: shared], config.workers)
        logs = Logs(self.target, state.step) if main else None
        try:
            with deferred_interrupt() as stopped:
                while state.step < config.steps and not self._patience_is_out():
                    losses = self._step(batches)
                    state.step += 1
                    self._after(losses, logs)
                    if stopped():
                        self.accelerator.set_trigger()
                    if self.accelerator.check_trigger():  # Ctrl-C met by any process stops all of them
                        self._save()
                        raise KeyboardInterrupt
        except RuntimeError as error:
            raise out_of_memory(error, config) from None
        finally:
            batches.close()
            if logs:
                logs.close()
        self._save()
        weights = state.best.weights or state.average.module.state_dict()
        state.module.load_state_dict(weights)
        return Trained(state.module, state.step, state.best.step, state.best.score, self.loss, main)

    def _step(self, batches: Any) -> dict[str, float]:
        config, step, summed = self.config, self.state.step, dict[str, Tensor]()
        for group in self.optimizer.param_groups:
            group["lr"] = config.rate * share_of_rate(step, config)
        torch.manual_seed(config.seed + step)  # dropout, where a network has any
        for _ in range(config.accumulate):
            batch = next(batches)
            with self.accelerator.accumulate(self.net):
                with self.accelerator.autocast():
                    losses = self.net(self.recipe.place(batch, self.accelerator.device))
                loss = reduce(torch.add, losses.values())
                if not bool(torch.isfinite(loss)):
                    raise self._diverged(losses, batch.samples)
                self.accelerator.backward(loss)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(self.net.parameters(), config.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
            for name, one in {"loss": loss, **losses}.items():
                summed[name] = summed.get(name, 0) + one.detach() / config.accumulate
        self.state.average.update_parameters(self.state.module)
        return {name: float(one) for name, one in summed.items()}

    def _after(self, losses: dict[str, float], logs: Logs | None) -> None:
        state, config, last = self.state, self.config, self.state.step == self.config.steps
        self.loss = losses["loss"]
        if logs:
            logs.step(state.step, losses)
        if state.step % config.dev_every == 0 or last:
            found = [self._measured()]
            broadcast_object_list(found)  # one look decides for all processes
            score = next(
                iter(found[0].values()), -state.step
            )  # with nothing to look at, the last is the best
            state.best.look(score, state.step, state.average.module.state_dict())
            if logs:
                logs.dev(state.step, found[0])
        if self.progress:
            self.progress(state.step, config.steps, losses)
        if state.step % config.save_every == 0:
            self._save()

    def _measured(self) -> dict[str, float]:
        if not self.accelerator.is_main_process:
            return {}
        module = self.state.average.module.eval()
        with torch.no_grad(), self.accelerator.autocast():
            return self.recipe.measure(module, self.accelerator.device)

    def _patience_is_out(self) -> bool:
        return self.config.patience is not None and self.state.best.stale >= self.config.patience

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.state.save(self.target)
        self.accelerator.wait_for_everyone()

    def _diverged(self, losses: Mapping[str, Tensor], samples: tuple[str, ...]) -> FacedataError:
        """Keep the state before the step, unless that is no number either, and return what to say."""
        state, whole = self.state, all(bool(one.isfinite().all()) for one in self.state.module.parameters())
        if state.step and whole and self.accelerator.is_main_process:
            # what the module remembers has seen this batch already; the average's copy has not
            for buffer, one in zip(state.module.buffers(), state.average.module.buffers(), strict=True):
                buffer.copy_(one)
            state.save(self.target)
        return diverged(state.step + 1, losses, samples, self.target, newest_state(self.target))
