"""The training loop: pairs in, a pipeline on disk out, every step a function of the seed and its number."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch's own documentation uses
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from diffusers import DDIMScheduler
from diffusers.training_utils import EMAModel
from torch import Tensor

from facedata import __version__
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError, TargetError, UsageError
from facedata.datasets.in_place import in_place
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.record import write_text
from facedata.synth.adapter import save_adapter
from facedata.synth.base import Base, open_base
from facedata.synth.batches import Batch, Batches
from facedata.synth.card import ADAPTER_NAME, CARD_NAME, told_by, weights_of
from facedata.synth.config import Lora, TrainConfig
from facedata.synth.grids import Grid
from facedata.synth.latents import Latents, load_vae, shrinks
from facedata.synth.losses import clean_of, map_loss, relative_quality_loss, sharpness, snr_weights, velocity
from facedata.synth.model import SIZES, SpoofUNet
from facedata.synth.pairs import Pairs, find_live, find_pairs
from facedata.synth.pictures import QUALITIES, Scale, Shelf
from facedata.synth.pipeline import SpoofDiffusionPipeline
from facedata.synth.prior import Prior
from facedata.synth.schedule import levels, noise_scheduler
from facedata.synth.state import learned, load_state, newest_state, save_state, trim_log

__all__ = ["Trained", "train"]

LOG_NAME = "log.csv"
_MEASURED = 512  # targets whose qualities set the scale
_MAY_CHANGE = ("steps", "rate", "save_every", "grid_every", "compile")  # when a run goes on


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run came to: of `parameters`, `learned` were trained."""

    root: Path
    steps: int
    loss: float
    parameters: int
    learned: int
    pairs: int


def train(
    source: Path,
    target: Path,
    config: TrainConfig,
    *,
    base: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
) -> Trained:
    """Train on the pairs of the dataset `source`; save a pipeline with its states and its log in `target`.

    With `base`, a whole model, only an adapter for the kinds of `source` is trained and saved, after `lora`
    of the configuration; the base must know none of these kinds, and its network is used as it is.

    With `resume` the run goes on from its newest state, to the numbers that it would have come to had it not
    stopped; only its length, its rate and how often it saves may change. Raises TargetError where `target`
    is occupied or holds a run of another configuration, SourceError where there are no pairs, UsageError and
    DatasetError where the base does not serve, and FacedataError, naming the samples, where the loss is no
    number any more: the last state is kept.
    """
    refuse_overlap(source, target)
    dataset = Dataset.open(source)
    origin = open_base(base, target, config) if base else None
    if origin is not None:
        config = origin.configured(config)
    elif config.lora is not None:
        raise UsageError(
            "lora: matrices of low rank stand beside a base; name it with --base, or leave lora out"
        )
    pairs = (find_live if config.task == "despoof" else find_pairs)(dataset, config.pairs)
    if origin is not None:
        pairs = origin.extended(pairs)
    card = _card(dataset, pairs, config) | ({"base": origin.told(target)} if origin else {})
    with in_place(target):
        _prepare(target, card, resume=resume, overwrite=overwrite)
        return _Run(dataset, target, config, pairs, card, origin, progress).make()


def _card(dataset: Dataset, pairs: Pairs, config: TrainConfig) -> dict[str, Any]:
    return {
        "facedata": __version__,
        "dataset": {"name": dataset.root.resolve().name, "version": dataset.version},
        "config": config.model_dump(mode="json"),
        "kinds": list(pairs.kinds),
        "domains": sorted({pairs.faces[pair.target].domain or "" for pair in pairs.pairs}),
        "pairs": len(pairs.pairs),
    }


def _prepare(target: Path, card: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    known = target / CARD_NAME
    if target.exists() and not target.is_dir():
        raise TargetError(f"{target} is a file, and a model is a folder; choose another -o")
    if target.exists() and any(target.iterdir()):
        if overwrite and known.is_file():
            shutil.rmtree(target)
        elif not resume:
            raise TargetError(f"{target} is not empty; choose another -o, --resume or --overwrite")
        elif not known.is_file():
            raise TargetError(f"{target} holds no run to go on with; choose another -o")
        else:
            _same_run(target, told_by(target), card)
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_text(known, json.dumps(card, indent=1))
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error.strerror}; choose another -o") from None


def _same_run(target: Path, before: dict[str, Any], card: dict[str, Any]) -> None:
    was = {**before["config"], **{key: card["config"][key] for key in _MAY_CHANGE}}
    differ = [key for key in card["config"] if was.get(key) != card["config"][key]]
    differ += [key for key in ("dataset", "kinds") if before.get(key) != card[key]]
    if before.get("base", {}).get("weights") != card.get("base", {}).get("weights"):
        differ.append("base")
    if differ:
        raise TargetError(f"{target} was trained with another {differ[0]}; choose another -o")


def _accelerator(config: TrainConfig) -> Accelerator:
    if config.precision == "fp16" and not torch.cuda.is_available():
        raise UsageError("precision: fp16 is for a GPU, and torch can use none; take bf16, or no")
    # What Accelerate keeps of an earlier run of this process would fix its precision for this one too.
    AcceleratorState._reset_state()
    accelerator = Accelerator(mixed_precision=config.precision, gradient_accumulation_steps=config.accumulate)
    if accelerator.num_processes > 1:
        raise UsageError("synth train runs in one process; start it without accelerate launch")
    return accelerator


class _Run:
    """A run in the making: what is learned from, and the loop."""

    def __init__(
        self,
        dataset: Dataset,
        target: Path,
        config: TrainConfig,
        pairs: Pairs,
        card: dict[str, Any],
        base: Base | None,
        progress: Callable[[int, int, float], None] | None,
    ) -> None:
        self.target, self.config, self.pairs, self.card, self.progress = target, config, pairs, card, progress
        self.base = base
        self.shelf = Shelf(dataset, [face.image for face in pairs.faces], config.network.resolution)
        autoencoder = base.vae if base else config.network.vae
        self.vae = load_vae(autoencoder) if autoencoder else None
        halvings = len(SIZES[config.network.size]["channels"]) - 1
        needed = 2**halvings * (shrinks(self.vae) if self.vae else 1)
        if config.network.resolution % needed:
            raise UsageError(
                f"network.resolution: {config.network.resolution} px are no multiple of {needed}, "
                "which the network's halvings need"
            )
        measured = pairs.pairs[:: max(1, len(pairs.pairs) // _MEASURED)]
        # A base hears quality in its own scale, and predicts in the unit of its own spread.
        self.scale = (
            base.scale if base else Scale.of(self.shelf.qualities([pair.target for pair in measured]))
        )
        card["quality"] = {
            "names": list(QUALITIES),
            "mean": self.scale.mean,
            "deviation": self.scale.deviation,
        }
        self.scheduler = noise_scheduler()
        despoofing = config.task == "despoof"
        self.batches = Batches(
            pairs,
            self.shelf,
            self.scale,
            config.drop if not despoofing else config.drop.model_copy(update={"style": 1.0, "quality": 1.0}),
            config.batch,
            config.seed,
            self.scheduler.config.num_train_timesteps,
            despoofing,
            None if self.vae is None else Latents(self.vae),
        )
        self.sampled = measured

    def _network(self) -> SpoofUNet:
        """Return the network to be trained: a fresh one, or the base with what is new beside it."""
        if self.base is not None:
            count = len(self.pairs.kinds) - len(self.base.card["kinds"])
            return self.base.network(count, self.config.lora or Lora())
        target, content, cover = self.batches.of(self.sampled)
        height, width = target.shape[2:]
        fresh: SpoofUNet = SpoofUNet(
            sample_size=width,
            channels_in=target.shape[1],
            kinds=len(self.pairs.kinds),
            qualities=len(QUALITIES),
            prior=Prior.measured(target, content, F.adaptive_avg_pool2d(cover, (height, width))),
            **SIZES[self.config.network.size],
        )
        return fresh

    def make(self) -> Trained:
        config = self.config
        torch.manual_seed(config.seed)
        model = self._network()
        self.prior = model.prior
        parameters = list(learned(model).values())
        ema = EMAModel(parameters, decay=config.ema, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
        optimizer = torch.optim.AdamW(parameters, config.rate, weight_decay=config.weight_decay)
        found = newest_state(self.target)
        first = load_state(found, model, ema, optimizer) if found else 0
        if first > config.steps:
            raise UsageError(f"{self.target} has been trained for {first} steps already; ask for more")
        trim_log(self.target / LOG_NAME, first)
        accelerator = _accelerator(config)
        net, optimizer = accelerator.prepare(torch.compile(model) if config.compile else model, optimizer)
        ema.to(accelerator.device)
        grid = Grid(self.pairs, self.shelf, self.scale, config)
        loss, step = math.nan, first
        try:
            micro = self.batches.between(first * config.accumulate, config.steps * config.accumulate)
            for step in range(first, config.steps):
                for group in optimizer.param_groups:
                    group["lr"] = config.rate * min(1.0, (step + 1) / (config.warmup + 1))
                torch.manual_seed(config.seed + step)  # dropout, where a network has any
                losses = []
                for _ in range(config.accumulate):
                    batch = next(micro)
                    with accelerator.accumulate(net):
                        losses.append(self._loss(net, batch, accelerator.device))
                        if not torch.isfinite(losses[-1]):
                            raise self._diverged(losses[-1], batch, step, model, ema, optimizer)
                        accelerator.backward(losses[-1])
                        if accelerator.sync_gradients:
                            accelerator.clip_grad_norm_(parameters, config.clip)
                        optimizer.step()
                        optimizer.zero_grad()
                ema.step(parameters)
                loss = float(torch.stack([one.detach() for one in losses]).mean())
                self._after(step + 1, loss, model, ema, optimizer, grid)
        except torch.cuda.OutOfMemoryError:
            raise UsageError(
                f"batch {config.batch} does not fit into the GPU's memory; try "
                f"batch: {max(1, config.batch // 2)} with accumulate: {2 * config.accumulate}"
            ) from None
        if step + 1 >= config.steps or first >= config.steps:
            self._publish(model, ema)
        return Trained(
            self.target,
            config.steps,
            loss,
            sum(one.numel() for one in model.parameters()),
            sum(one.numel() for one in parameters),
            len(self.pairs.pairs),
        )

    def _loss(self, net: Any, batch: Batch, device: torch.device) -> Tensor:
        times = batch.times.to(device)
        alpha, sigma = levels(times)
        noise = batch.noise.to(device)
        given = batch.conditions.to(device, noise.dtype)
        coverage = given.covered(noise.shape[2:])
        clean = self.prior.to_state(batch.target.to(device), given.content, coverage)
        noisy = alpha * clean + sigma * noise
        predicted, told = net(noisy, times, given)
        errors = (predicted - velocity(clean, noise, alpha, sigma)).square().mean(dim=(1, 2, 3))
        if self.config.snr is not None:
            snr = (alpha.square() / sigma.square().clamp(min=1e-8)).flatten()
            errors = errors * snr_weights(snr, self.config.snr)
        loss: Tensor = errors.mean()
        if self.config.map_task:
            wanted = self.prior.fits_of(clean, given)
            loss = loss + self.config.map_task * map_loss(wanted, *told.maps)
        if self.config.quality_task:
            missed = F.smooth_l1_loss(told.quality, batch.style_quality.to(device).clamp(-4, 4))
            loss = loss + self.config.quality_task * missed
        if self.config.relative_quality and self.vae is None:  # the sharpness of latents means nothing
            seen, wanted = (
                self.prior.to_pictures(one, given.content, coverage)
                for one in (clean_of(noisy, predicted, alpha, sigma), clean)
            )
            trust = alpha.square().flatten()  # of a picture that is nearly noise, sharpness says nothing
            order = relative_quality_loss(sharpness(seen), sharpness(wanted), trust)
            loss = loss + self.config.relative_quality * order
        return loss

    def _diverged(
        self, loss: Tensor, batch: Batch, step: int, model: SpoofUNet, ema: EMAModel, optimizer: Any
    ) -> FacedataError:
        """Keep the weights, unless they are no numbers either, and return what to say."""
        if step and all(bool(torch.isfinite(one).all()) for one in model.parameters()):
            save_state(self.target, step, model, ema, optimizer)
        kept = newest_state(self.target)
        mend = "lower the rate"
        if kept:
            mend = f"{kept.name} is kept in {self.target}: go on from it with --resume and a smaller rate"
        samples = ", ".join(batch.samples)
        return FacedataError(
            f"the loss is {float(loss.detach())} at step {step + 1}, with the samples {samples}; {mend}"
        )

    def _after(
        self, step: int, loss: float, model: SpoofUNet, ema: EMAModel, optimizer: Any, grid: Grid
    ) -> None:
        with (self.target / LOG_NAME).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow([step, f"{loss:.6f}"])
        if self.progress:
            self.progress(step, self.config.steps, loss)
        if step % self.config.grid_every == 0 or step == self.config.steps:
            parameters = list(learned(model).values())
            ema.store(parameters)
            ema.copy_to(parameters)
            grid.write(self._pipeline(model), self.target / "grids" / f"step-{step:06d}.png")
            ema.restore(parameters)
        # The state comes last: what goes on from it has all that was to come before.
        if step % self.config.save_every == 0 or step == self.config.steps:
            save_state(self.target, step, model, ema, optimizer)

    def _pipeline(self, model: SpoofUNet) -> SpoofDiffusionPipeline:
        pipeline = SpoofDiffusionPipeline(model, DDIMScheduler.from_config(self.scheduler.config), self.vae)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _publish(self, model: SpoofUNet, ema: EMAModel) -> None:
        ema.copy_to(learned(model).values())
        if self.base is not None:
            save_adapter(model, self.target / ADAPTER_NAME)
            self.card["weights"] = weights_of(self.target, self.base.card["weights"])
        else:
            self._pipeline(model).save_pretrained(self.target, safe_serialization=True)
            self.card["weights"] = weights_of(self.target)
        write_text(self.target / CARD_NAME, json.dumps(self.card, indent=1))
