"""facedata synth train | sample | despoof | gates."""

from __future__ import annotations

import dataclasses
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show, synth_gates

if TYPE_CHECKING:
    from facedata.datasets.engine import Options
    from facedata.synth.pipeline import Guidance
    from facedata.synth.sample import Sampling

__all__ = ["app"]

app = typer.Typer(
    add_completion=False, help="Make attacks from live faces by diffusion.", no_args_is_help=True
)


class Scheduler(StrEnum):
    """How noise is taken away."""

    ddim = "ddim"
    dpm = "dpm"
    unipc = "unipc"
    ddpm = "ddpm"
    sde = "sde"


class Gates(StrEnum):
    """Which gates stand before the dataset."""

    all = "all"
    none = "none"


class Quality(StrEnum):
    """What filters can do to pictures that are made."""

    blur = "blur"
    noise = "noise"


class Precision(StrEnum):
    """The numbers that the network computes with."""

    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


@app.callback()
def _group() -> None:
    """Make attacks from live faces by diffusion: train on pairs, then sample."""


@app.command("train")
def train(
    dataset: Annotated[Path, typer.Argument(help="A dataset of live faces with attacks made of them.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder of the model.", callback=o.on_disk)
    ],
    config: Annotated[
        Path | None, typer.Option("--config", help="A YAML file; without it, a small network for two cores.")
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="A model that knows other kinds: train no more than an adapter for these."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="In place of the configuration's.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="In place of the configuration's.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest state, to the same numbers.")
    ] = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Train a network that puts a live face under an attack: its content is kept, the style followed."""
    synth_gates.need_libraries()
    from facedata.synth.config import load_config
    from facedata.synth.train import train as library

    chosen = load_config(config)
    told: dict[str, Any] = {"steps": steps, "seed": seed}
    chosen = chosen.model_copy(update={name: value for name, value in told.items() if value is not None})
    started = time.monotonic()
    with show.progress("train") as bar:
        made = library(
            dataset,
            output,
            chosen,
            base=base,
            resume=resume,
            overwrite=overwrite,
            progress=bar,
        )
    lacking = synth_gates.judge_trained(made.root, dataset) if chosen.task == "spoof" else None
    summary = {
        "model": str(made.root),
        "steps": made.steps,
        "loss": None if made.loss != made.loss else round(made.loss, 6),
        "parameters": made.parameters,
        "learned": made.learned,
        "pairs": made.pairs,
        "seconds": round(time.monotonic() - started, 1),
    }
    if json_wanted:
        show.as_json(summary)
        return
    share = f", of which {made.learned:,} ({made.learned / made.parameters:.1%}) were trained" if base else ""
    typer.echo(
        f"trained {made.steps} steps on {made.pairs} pairs in {summary['seconds']} s: {made.parameters:,} "
        f"parameters{share}, last loss {summary['loss']}"
    )
    typer.echo(f"model    {made.root}\nsheets   {made.root / 'grids'}")
    if lacking:
        typer.echo(f"no gates were fitted: {lacking}", err=True)


@app.command("sample")
def sample(
    dataset: Annotated[Path, typer.Argument(help="A dataset whose live faces are put under attacks.")],
    model: Annotated[Path, typer.Option("--model", help="The folder that facedata synth train wrote.")],
    style: Annotated[Path, typer.Option("--style", help="A dataset with the attacks to look like.")],
    output: o.Output,
    base: Annotated[
        Path | None, typer.Option(help="The base of an adapter, if it is not where it was.")
    ] = None,
    variants: Annotated[int, typer.Option(min=1, help="Attacks to make of each live face.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Live faces to take at most.")] = None,
    negatives: Annotated[
        int,
        typer.Option(
            min=0, help="Live faces to pass through the model with a live style, too: they stay live."
        ),
    ] = 0,
    gates: Annotated[
        Gates, typer.Option(help="What a picture has to pass to become a row: all gates, or none.")
    ] = Gates.all,
    training: synth_gates.Training = None,
    detector: synth_gates.Detector = "cascade",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    scheduler: Annotated[Scheduler, typer.Option(help="How noise is taken away.")] = Scheduler.ddim,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Steps from noise to picture.")] = 20,
    strength: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Share of noise to start from: less keeps more of the live face."),
    ] = 1.0,
    temperature: Annotated[
        float,
        typer.Option(min=0, max=2, help="Share of the noise's deviation: less varies less, and is cleaner."),
    ] = 0.5,
    guidance: Annotated[float, typer.Option(min=0, max=10, help="How strongly the style is followed.")] = 1.5,
    kind_guidance: Annotated[
        float, typer.Option(min=0, max=10, help="How strongly the kind of attack is followed.")
    ] = 1.0,
    content_guidance: Annotated[
        float, typer.Option(min=0, max=10, help="How strongly the live face is followed.")
    ] = 1.0,
    quality_guidance: Annotated[
        float, typer.Option(min=0, max=10, help="How strongly the style's quality is followed.")
    ] = 1.0,
    match: Annotated[
        list[Quality] | None,
        typer.Option(help="Bring this quality to the style's by a filter: a small network hardly heeds it."),
    ] = None,
    compose: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND=]POLICY",
            help="A policy of augment that goes over what is made, of one kind of attack (print=dots.yaml) "
            "or of all: lattice and halftone, which a small network does not learn.",
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Pictures that go through the network together.")
    ] = 4,
    precision: Annotated[Precision, typer.Option(help="Numbers to compute with.")] = Precision.fp32,
    device: Annotated[str | None, typer.Option(help="cpu, or cuda; the GPU where there is one.")] = None,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.SoleEngineOption = o.SoleEngine.serial,
    address: o.Address = None,
    workers: o.Workers = 0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Make attacks of live faces in the style of a dataset's attacks, seeded picture by picture."""
    synth_gates.need_libraries()
    from facedata.synth.load import find_base, read_card
    from facedata.synth.pipeline import Guidance
    from facedata.synth.sample import sample as library

    weights = Guidance(content_guidance, quality_guidance, kind_guidance, guidance)
    sampling = _sampling(scheduler, steps, strength, batch_size, precision, device, weights, temperature)
    screen = None
    if gates is Gates.all:
        from facedata.synth.gates.screen import Screen

        typer.echo(synth_gates.screened(find_base(model, read_card(model), base) or model), err=True)
        screen = Screen(synth_gates.find_judge(model, training, detector))
    started = time.monotonic()
    with show.progress("synth sample") as bar:
        options = _options(engine, address, workers, layout, resume, overwrite)
        result = library(
            dataset,
            model,
            style,
            output,
            base=base,
            variants=variants,
            limit=limit,
            negatives=negatives,
            seed=seed,
            sampling=sampling,
            match=[one.value for one in dict.fromkeys(match or [])],
            after=_physics(compose or [], seed),
            screen=screen,
            options=dataclasses.replace(options, progress=bar),
        )
    show.finish(result, started, json_wanted=json_wanted)


app.command("gates")(synth_gates.gates)


@app.command("despoof")
def despoof(
    dataset: Annotated[Path, typer.Argument(help="A dataset of faces, live or not.")],
    model: Annotated[Path, typer.Option("--model", help="A model that was trained with task: despoof.")],
    output: o.Output,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Steps from noise to picture.")] = 20,
    strength: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of noise to start from: more changes more.")
    ] = 0.5,
    scheduler: Annotated[Scheduler, typer.Option(help="How noise is taken away.")] = Scheduler.ddim,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Pictures that go through the network together.")
    ] = 4,
    precision: Annotated[Precision, typer.Option(help="Numbers to compute with.")] = Precision.fp32,
    device: Annotated[str | None, typer.Option(help="cpu, or cuda; the GPU where there is one.")] = None,
    layout: o.LayoutOption = o.Layout.files,
    engine: o.SoleEngineOption = o.SoleEngine.serial,
    address: o.Address = None,
    workers: o.Workers = 0,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Make the live-looking face of each picture, and a layer that shows what had to change for it."""
    synth_gates.need_libraries()
    from facedata.synth.despoof import despoof as library

    sampling = _sampling(scheduler, steps, strength, batch_size, precision, device)
    started = time.monotonic()
    with show.progress("synth despoof") as bar:
        options = dataclasses.replace(
            _options(engine, address, workers, layout, resume, overwrite), progress=bar
        )
        result = library(dataset, model, output, seed=seed, sampling=sampling, options=options)
    show.finish(result, started, json_wanted=json_wanted)


def _options(
    engine: o.SoleEngine, address: str | None, workers: int, layout: o.Layout, resume: bool, overwrite: bool
) -> Options:
    return o.options(
        layout=layout,
        engine=engine,
        address=address,
        workers=workers,
        resume=resume,
        overwrite=overwrite,
    )


def _sampling(
    scheduler: Scheduler,
    steps: int,
    strength: float,
    batch: int,
    precision: Precision,
    device: str | None,
    guidance: Guidance | None = None,
    temperature: float = 1.0,
) -> Sampling:
    """Return how pictures are made, on the GPU where there is one and nothing else is asked for."""
    from facedata.synth.pipeline import Guidance
    from facedata.synth.sample import Sampling

    weights, where = guidance or Guidance(), device or "auto"
    return Sampling(scheduler.value, steps, strength, weights, batch, precision.value, where, temperature)


def _physics(wanted: list[str], seed: int) -> list[tuple[str, Any]]:
    """Return a task for each policy, with the kind of attack that it is for."""
    from facedata.augment.policy import load_policy
    from facedata.augment.task import Augment
    from facedata.datasets.errors import UsageError

    tasks: dict[str, Any] = {}
    for one in wanted:
        kind, _, policy = one.rpartition("=")
        if kind in tasks:
            raise UsageError(
                f"--compose {one}: {f'kind {kind}' if kind else 'every kind'} has a policy already"
            )
        # What is made is a spoof of its kind already: media may add to its look, and not to its label.
        tasks[kind] = Augment(load_policy(policy), 1, seed, label_effect="keep", keeps_originals=False)
    return list(tasks.items())
