"""`facedata synth sample`: attacks in the style of one dataset made of the live faces of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, Result, run
from facedata.datasets.errors import FacedataError, SourceError, UsageError
from facedata.datasets.inputs import refuse_overlap
from facedata.datasets.lineage import Origin
from facedata.datasets.pictures import Encoding
from facedata.datasets.record import Failure
from facedata.datasets.sample import Sample, derived_id
from facedata.datasets.sources import DatasetSource, RowItem
from facedata.datasets.task import OneOfABatch, Planned, Rendered, Task
from facedata.datasets.words import Words, generator_of
from facedata.synth.compose import Recipe, composed
from facedata.synth.conditions import Conditions
from facedata.synth.gates.screen import Screen
from facedata.synth.load import Model, find_base, load_model, read_card
from facedata.synth.matching import MATCHED, matched
from facedata.synth.pictures import Scale, as_pixels, as_tensor, fitted, seen_quality
from facedata.synth.pipeline import TEMPERATURE, Guidance
from facedata.synth.styles import Styles, find_styles

__all__ = ["Sampling", "Synthesis", "engine_of", "noise_of", "sample"]

_OPERATOR = "synth-diffusion"


def noise_of(sample: Sample, use: str = "noise") -> torch.Generator:
    """Return what draws a sample's noise: by its parent and variant, and not by how it is made.

    So pictures of one seed compare between schedulers, steps and guidance, and do not depend on the batch.
    """
    return generator_of(sample.seed or 0, sample.parent_id or "", sample.variant or 0, use)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How pictures are made; all of it goes into the rows but `device` (cpu, cuda, or auto).

    `batch` goes into them because the arithmetic of a network differs in the last bits from one batch size to
    another: at one size, the same picture bit for bit; at another, to within one code.
    """

    scheduler: str = "ddim"
    steps: int = 20
    strength: float = 1.0
    guidance: Guidance = field(default_factory=Guidance)
    batch: int = 4
    precision: str = "fp32"
    device: str = "cpu"
    temperature: float = TEMPERATURE

    def to_json(self) -> dict[str, Any]:
        """Return what the pictures depend on."""
        return {
            "scheduler": self.scheduler,
            "steps": self.steps,
            "strength": self.strength,
            "temperature": self.temperature,
            "guidance": {
                name: getattr(self.guidance, name) for name in ("content", "quality", "kind", "style")
            },
            "batch": self.batch,
            "precision": self.precision,
        }

    def through(
        self,
        model: Model,
        conditions: Conditions,
        generators: Sequence[torch.Generator],
        start: Tensor | None = None,
    ) -> Tensor:
        """Return the pictures of a batch, as the pipeline's call does.

        Raises UsageError naming the batch size to try where this one does not fit into the GPU.
        """
        try:
            made: Tensor = model.pipeline(
                conditions, generators, self.steps, self.strength, self.guidance, start, self.temperature
            )
        except torch.cuda.OutOfMemoryError:
            mend = f"try --batch-size {self.batch // 2}" if self.batch > 1 else "try --precision bf16"
            raise UsageError(
                f"a batch of {self.batch} does not fit into the GPU's memory; {mend}, with --overwrite"
            ) from None
        return made


@dataclass(frozen=True, slots=True)
class Synthesis(OneOfABatch):
    """The task: `variants` attacks of each live row, each with a style drawn from `styles`.

    A style is of another person than the live face, and of its split where both have one: no picture carries
    what it shows across a split. The faces of `negatives` (their ids) also go through the network with the
    style of a live face of somebody else, and stay live: so the network's trace stands on both labels.
    `screen` judges what was made before it becomes a row.
    """

    model: Path
    weights: str
    base: Path | None
    styles: Styles
    kinds: tuple[str, ...]
    scale: tuple[tuple[float, ...], tuple[float, ...]]
    resolution: int
    sampling: Sampling
    variants: int
    seed: int
    negatives: frozenset[str] = frozenset()
    screen: Screen | None = None
    keeps_originals: bool = False
    encoding: Encoding = field(default_factory=lambda: Encoding("png"))
    preload: tuple[str, ...] = ()
    cacheable: bool = False
    match: tuple[str, ...] = ()
    """Qualities, of MATCHED, to which pictures are brought as their style has them: the network hardly is."""
    after: tuple[tuple[str, Task], ...] = ()
    """What is done to pictures once they are made, by the beginning of their kind ("" is every kind)."""

    @property
    def batch(self) -> int:
        """Pictures that go through the network together."""
        return self.sampling.batch

    @property
    def gpu(self) -> bool:
        """Whether it takes a GPU where there is one."""
        return self.sampling.device != "cpu"

    def loaded(self) -> Model:
        """Return the model: loaded once, and kept."""
        how = self.sampling
        return load_model(self.model, how.scheduler, how.device, how.precision, self.weights, self.base)

    def settings(self) -> dict[str, Any]:
        """Return the model's version, the styles' and every choice."""
        composed = {"compose": {kind: one.settings() for kind, one in self.after}} if self.after else {}
        return {
            **composed,
            "model": self.model.resolve().name,
            "weights": self.weights,
            **({"base": self.base.name} if self.base else {}),
            "style": {"name": self.styles.root.name, "version": self.styles.version},
            "variants": self.variants,
            "originals": "keep" if self.keeps_originals else "drop",
            "sampling": self.sampling.to_json(),
            "encoding": self.encoding.to_json(),
            **self._matching,
            **({"negatives": len(self.negatives)} if self.negatives else {}),
            "gates": self.screen.settings() if self.screen else None,
        }

    @property
    def _matching(self) -> dict[str, list[str]]:
        return {"match": list(self.match)} if self.match else {}

    def plan(self, parent: Sample) -> Sequence[Planned]:
        """Draw a style for each variant of a live face."""
        if parent.label != "live":
            return ()
        planned = []
        if kinds := self.styles.kinds(parent, live=False):
            planned = [self._planned(parent, variant, kinds) for variant in range(self.variants)]
        if parent.sample_id in self.negatives and (kinds := self.styles.kinds(parent, live=True)):
            planned.append(self._planned(parent, self.variants, kinds))
        return planned

    def _planned(self, parent: Sample, variant: int, kinds: Sequence[str | None]) -> Planned:
        words = Words.of(self.seed, parent.sample_id, variant, "synth")
        kind = words.named("kind").choice(kinds)
        style = self.styles.draw(parent, kind, words.named("style"))
        parameters = {
            "model": self.weights,
            "style": {
                "sample_id": style.sample_id,
                "content_hash": style.content_hash,
                "subject": style.subject,
                "dataset": self.styles.version,
            },
            "kind": kind,
            "sampling": self.sampling.to_json(),
            "encoding": self.encoding.to_json(),
            **self._matching,
        }
        sample = parent.replace(
            sample_id=derived_id(parent.sample_id, _OPERATOR, parameters, self.seed, variant),
            content_hash="",
            label=style.label,
            attack=kind,
            parent_id=parent.sample_id,
            operator=_OPERATOR,
            parameters=parameters,
            variant=variant,
            seed=self.seed,
            layers=(),
            box=_fitted_box(parent, self.resolution),
            landmarks=None,
        )
        planned = Planned(sample, lambda: "", Recipe(style))
        return composed(planned, self.after, self.resolution) if self.after else planned

    def render_batch(
        self, planned: Sequence[Planned], pixels: Sequence[NDArray[np.uint8]]
    ) -> Sequence[Rendered | FacedataError]:
        """Sample a batch; each picture's noise is its own."""
        model = self.loaded()
        recipes: list[Recipe] = [plan.recipe for plan in planned]
        styles = [recipe.style for recipe in recipes]
        shelf, numbers = self.styles.shelf, [self.styles.number(face) for face in styles]
        yes = torch.ones(len(planned), dtype=torch.bool)
        contents = [fitted(one, self.resolution) for one in pixels]
        conditions = Conditions(
            as_tensor(np.stack(contents)),
            as_tensor(shelf.pictures(numbers)),
            torch.tensor([self.kinds.index(face.attack) if face.attack else 0 for face in styles]),
            Scale(*self.scale)(shelf.qualities(numbers)),
            has_content=yes,
            has_style=yes,
            has_kind=torch.tensor([face.attack is not None for face in styles]),  # live is no kind of attack
            has_quality=yes,
        )
        samples = [plan.sample for plan in planned]
        made = self.sampling.through(model, conditions, [noise_of(one) for one in samples])
        looks = list(shelf.pictures(numbers))
        told: list[dict[str, Any]] = [{} for _ in samples]
        if self.match:
            made, told = _matched(samples, made, looks, self.match)
        if self.screen is not None:
            judged = self.screen(samples, made.permute(0, 2, 3, 1).numpy(), contents, looks)
        else:
            judged = [Rendered(picture) for picture in as_pixels(made)]
        return [
            recipe.finish(_also(found, more))
            for recipe, found, more in zip(recipes, judged, told, strict=True)
        ]


def _matched(
    samples: Sequence[Sample], made: Tensor, looks: Sequence[NDArray[np.uint8]], names: Sequence[str]
) -> tuple[Tensor, list[dict[str, Any]]]:
    """Return pictures, n x 3 x h x w in [0, 1], of the quality of `looks` by `names`, and what rows say.

    One that is no number any more stays so: a gate will say it.
    """
    pictures = made.clone()
    told: list[dict[str, Any]] = []
    for place, (sample, look) in enumerate(zip(samples, looks, strict=True)):
        if not bool(torch.isfinite(made[place]).all()):
            told.append({})
            continue
        grain = torch.randn(made.shape[2:], generator=noise_of(sample, "grain")).numpy()
        wanted = dict(zip(MATCHED, seen_quality(look).tolist(), strict=True))
        found = matched(
            as_pixels(made[place : place + 1])[0], grain, **{name: wanted[name] for name in names}
        )
        pictures[place] = torch.from_numpy(found.pixels).permute(2, 0, 1) / 255
        told.append({"quality": found.to_json()})
    return pictures, told


def _also(made: Rendered | FacedataError, attributes: dict[str, Any]) -> Rendered | FacedataError:
    if isinstance(made, FacedataError) or not attributes:
        return made
    return replace(made, attributes={**made.attributes, **attributes})


@dataclass(frozen=True)
class _Sources:
    """Live rows of a dataset; the styles' dataset is a parent too."""

    content: DatasetSource
    style: Dataset
    limit: int | None

    @property
    def count(self) -> int:
        return self.content.count

    @property
    def parents(self) -> Sequence[Origin]:
        return (*self.content.parents, Origin.of(self.style))

    @property
    def notes(self) -> Sequence[str]:
        return self.content.notes

    @property
    def failures(self) -> Sequence[Failure]:
        return self.content.failures

    def shards(self, size: int) -> Iterator[tuple[str, Sequence[RowItem]]]:
        left = self.limit
        for prefix, items in self.content.shards(size):
            live = [one for one in items if isinstance(one, RowItem) and one.sample.label == "live"]
            if left is not None:
                live, left = live[:left], left - len(live[:left])
            if live:
                yield prefix, live


def sample(
    source: Path,
    model: Path,
    style: Path,
    target: Path,
    *,
    base: Path | None = None,
    variants: int = 1,
    limit: int | None = None,
    negatives: int = 0,
    seed: int = 0,
    sampling: Sampling | None = None,
    match: Sequence[str] = (),
    after: Sequence[tuple[str, Task]] = (),
    encoding: Encoding | None = None,
    screen: Screen | None = None,
    options: Options | None = None,
) -> Result:
    """Make `variants` attacks of each live face of `source` (of the first `limit`) in the style of `style`.

    `after` gives tasks of one variant that go over pictures once they are made, by the beginning of their
    kind: the lattice of a panel and the dots of a print, which small networks do not learn, from physics.

    `match` names qualities of MATCHED to which known filters (`synth/matching.py`) bring pictures, as their
    styles have them, before `screen` sees them; rows say what was done.

    A model may be an adapter; `base` says where its base is, if it is not where it was.

    Of `negatives` of the live faces a live picture is made too, in the style of a live face of `style`. What
    `screen` refuses becomes no row: it is a failure of the record, of a kind that begins with `gate-`.

    Raises DatasetError where the model is not whole or not safe, UsageError where a style comes from a domain
    that the model's training held out or an adapter's base is not there, and SourceError where there are no
    live faces or no styles.
    """
    refuse_overlap(source, target)
    refuse_overlap(style, target)
    content, styles = Dataset.open(source), Dataset.open(style)
    card, how = read_card(model), sampling or Sampling()
    task = Synthesis(
        model=model.resolve(),
        weights=str(card["weights"]),
        base=find_base(model, card, base),
        styles=find_styles(styles, card, live=negatives > 0),
        kinds=tuple(card["kinds"]),
        scale=(tuple(card["quality"]["mean"]), tuple(card["quality"]["deviation"])),
        resolution=int(card["config"]["network"]["resolution"]),
        sampling=how,
        variants=variants,
        seed=seed,
        encoding=encoding or Encoding("png"),
        match=tuple(match),
        after=tuple(after),
        screen=screen,
    )
    if not content.record.counts.by_label.get("live"):
        raise SourceError(f"{source} has no live faces; attacks are made of live ones")
    found = _Sources(DatasetSource(content), styles, limit)
    how_run = engine_of(options)
    if how_run.engine == "serial":
        task.loaded()  # a model that cannot be loaded is no reason to begin an output
    if negatives:
        task = replace(task, negatives=_drawn(found, negatives, seed))
    return run("synth sample", task, found, target, seed, how_run)


def engine_of(options: Options | None) -> Options:
    """Return `options` with one process, unless it is Ray: the network has all cores or the GPU to itself."""
    options = options or Options()
    return options if options.engine == "ray" else replace(options, engine="serial")


def _drawn(source: _Sources, count: int, seed: int) -> frozenset[str]:
    """Return the ids of `count` live faces of those that are taken."""
    ids = [item.sample.sample_id for _, items in source.shards(256) for item in items]
    return frozenset(sorted(ids, key=lambda one: (Words.of(seed, one, "negative").word(), one))[:count])


def _fitted_box(parent: Sample, side: int) -> tuple[float, ...] | None:
    """Return the parent's box in the middle square that the network sees, None where none of it is left."""
    if parent.box is None:
        return None
    least = min(parent.width, parent.height)
    left, top = (parent.width - least) // 2, (parent.height - least) // 2
    x, y, width, height = parent.box
    x0, y0 = max(0.0, x - left), max(0.0, y - top)
    x1, y1 = min(float(least), x - left + width), min(float(least), y - top + height)
    if x1 <= x0 or y1 <= y0:
        return None
    return tuple(round(value * side / least, 2) for value in (x0, y0, x1 - x0, y1 - y0))
