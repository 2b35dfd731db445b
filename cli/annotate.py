"""facedata annotate TASK DATASET -o DATASET, and the verbs beside it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from facedata.cli import annotate_reannotate, annotate_score, show
from facedata.cli import options as o

if TYPE_CHECKING:
    from facedata.annotate.annotate import Annotated as Made
    from facedata.annotate.providers.base import Provider
    from facedata.annotate.run import Asking, Plan
    from facedata.annotate.tasks import Task
    from facedata.datasets.engine import Options

__all__ = ["app"]

_ASK = "ask"
_MODEL, _RUNNING = "The model", "Running"
_JOURNAL = Path(".facedata/answers.sqlite")
_SHOWN = 5


class Provider_(StrEnum):  # noqa: N801 - the library's Provider is another thing
    """Who answers."""

    rules = "rules"
    gemini = "gemini"
    openai = "openai"
    transformers = "transformers"
    replay = "replay"


class Outcome_(StrEnum):  # noqa: N801
    """Outcomes that can be asked anew."""

    ok = "ok"
    blocked = "blocked"
    truncated = "truncated"
    invalid = "invalid"


class Prior(StrEnum):
    """Demographics that some tasks can ask for."""

    age = "age"
    gender = "gender"
    race = "race"


class _TaskOrVerb(TyperGroup):
    """What is no verb (`score`, ...) is a task, so that `facedata annotate TASK DS` needs no verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = [_ASK, *(args or ["--help"])]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_TaskOrVerb, add_completion=False, help="Write instruction records for samples.")


@app.callback()
def _group() -> None:
    """Write instruction records for the samples of a dataset, and score them."""


def _list_tasks(wanted: bool) -> None:
    if wanted:
        from facedata.cli.tasks import show_tasks

        show_tasks()
        raise typer.Exit()


@app.command(
    _ASK,
    epilog="TASK may also be a YAML file. Other verbs stand in place of TASK: see docs/annotate.md.",
)
def ask(
    what: Annotated[
        list[str],
        typer.Argument(metavar="TASK... DATASET", help="Tasks (see --list; several, or with commas)."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The dataset to write, a folder.")
    ] = None,
    provider: Annotated[Provider_, typer.Option(help="Who answers (see --list).")] = Provider_.rules,
    task_file: Annotated[
        list[Path] | None, typer.Option(help="A task of your own, a YAML file; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides wordings; same seed, same version.")] = 0,
    draws: Annotated[int, typer.Option(min=1, help="Answers to each question.")] = 1,
    repair: Annotated[
        bool, typer.Option("--repair/--no-repair", help="Send an answer that fails a check back once.")
    ] = True,
    priors: Annotated[
        list[Prior] | None,
        typer.Option(help="Demographics to ask for, kept apart from the text; may be repeated."),
    ] = None,
    swap: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of answers put to the test by a blank picture: they must change."
        ),
    ] = 0.0,
    model: Annotated[
        str | None, typer.Option(help="The model's name, or its folder.", rich_help_panel=_MODEL)
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Address of the server.", rich_help_panel=_MODEL)
    ] = None,
    recorded: Annotated[
        Path | None, typer.Option(help="Recorded answers, for replay.", rich_help_panel=_MODEL)
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="0 is greedy.", rich_help_panel=_MODEL)
    ] = 0.0,
    top_p: Annotated[float | None, typer.Option(min=0, max=1, rich_help_panel=_MODEL)] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Longest answer, thoughts included.", rich_help_panel=_MODEL)
    ] = 2048,
    device: Annotated[
        str | None, typer.Option(help="Where a local model runs: cpu, cuda, cuda:1.", rich_help_panel=_MODEL)
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Requests a local model answers at once.", rich_help_panel=_MODEL)
    ] = 4,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="IN,OUT", help="US dollars for a million tokens, where not known.", rich_help_panel=_MODEL
        ),
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="US dollars that are not exceeded.", rich_help_panel=_RUNNING)
    ] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1024, help="Requests under way at once.", rich_help_panel=_RUNNING)
    ] = 8,
    rpm: Annotated[
        float | None, typer.Option(min=0.1, help="Requests a minute, at most.", rich_help_panel=_RUNNING)
    ] = None,
    tpm: Annotated[
        float | None, typer.Option(min=1, help="Tokens a minute, at most.", rich_help_panel=_RUNNING)
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds that a server may take.", rich_help_panel=_RUNNING)
    ] = 120.0,
    batch: Annotated[
        bool,
        typer.Option("--batch", help="Send jobs, answered within a day at half the price (gemini)."),
    ] = False,
    poll: Annotated[
        float, typer.Option(min=0.01, help="Seconds between looks at a job.", rich_help_panel=_RUNNING)
    ] = 30.0,
    journal: Annotated[
        Path | None,
        typer.Option(
            help=f"File of the answers paid for ({_JOURNAL}; free providers keep none).",
            rich_help_panel=_RUNNING,
            callback=o.on_disk,
        ),
    ] = None,
    again: Annotated[
        list[Outcome_] | None,
        typer.Option(help="Ask anew what ended so before; may be repeated.", rich_help_panel=_RUNNING),
    ] = None,
    engine: o.SoleEngineOption = o.SoleEngine.serial,
    address: o.Address = None,
    workers: o.Workers = 0,
    overwrite: o.Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked and paid for, and stop.")
    ] = False,
    json_wanted: o.Json = False,
    list_tasks: Annotated[
        bool,
        typer.Option("--list", callback=_list_tasks, is_eager=True, help="Show tasks and providers."),
    ] = False,
) -> None:
    """Write instruction records for the samples of a dataset: asked, checked, with all that they rest on.

    Exit code 0 means that everything was answered, 3 that some was not or was refused, 1 that nothing was.
    """
    from facedata.annotate.ask import Limits
    from facedata.annotate.providers.base import Sampling
    from facedata.annotate.providers.catalogue import Opening, open_provider
    from facedata.annotate.providers.common import parse_price
    from facedata.annotate.run import Asking
    from facedata.annotate.swap import Swap
    from facedata.datasets.errors import UsageError

    *names, dataset = what
    tasks = _tasks([*(name for text in names for name in text.split(",")), *(task_file or [])], priors or [])
    if output is None and not dry_run:
        raise UsageError("say where the records go: -o FOLDER")
    opening = Opening(
        model=model,
        base_url=base_url,
        price=None if price is None else parse_price(price),
        batch=batch,
        device=device,
        batch_size=batch_size,
        recorded=recorded,
        tell=_tell,
        planning=dry_run,
    )
    answering = open_provider(provider.value, opening)
    local = provider is Provider_.transformers
    limits = Limits(
        concurrency=max(concurrency, batch_size) if local else concurrency,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        budget=budget,
        patience=None if local else timeout,
    )
    free = provider in (Provider_.rules, Provider_.replay)
    asking = Asking(
        seed=seed,
        draws=draws,
        sampling=Sampling(temperature, top_p, max_tokens),
        limits=limits,
        journal=journal or (None if free else _JOURNAL),
        again=tuple(outcome.value for outcome in again or ()),
        repair=repair,
        swap=Swap(swap),
        batch=batch,
        poll=poll,
        tell=_tell,
    )
    if dry_run:
        _show_plan(dataset, tasks, answering, asking, json_wanted=json_wanted)
    elif output is not None:
        from facedata.datasets.engine import Options

        options = Options(engine=engine.value, address=address, workers=workers, overwrite=overwrite)
        _make(dataset, tasks, output, answering, asking, options, json_wanted=json_wanted)


def _tell(line: str) -> None:
    typer.echo(f"facedata: {line}", err=True)


def _tasks(names: list[str | Path], priors: list[Prior]) -> list[Task]:
    from facedata.annotate.tasks import load_task
    from facedata.datasets.errors import UsageError

    tasks = {task.name: task for name in names if str(name) for task in [load_task(name)]}
    if not tasks:
        raise UsageError("name a task before the dataset (see facedata annotate --list), or give --task-file")
    return [task.asking(*(prior.value for prior in priors)) if priors else task for task in tasks.values()]


def _make(
    dataset: str,
    tasks: list[Task],
    output: Path,
    provider: Provider,
    asking: Asking,
    options: Options,
    *,
    json_wanted: bool,
) -> None:
    import dataclasses
    import gc

    from facedata.annotate.annotate import annotate

    # What was imported stays: walking it in every full collection takes a tenth of a request's CPU.
    gc.collect()
    gc.freeze()
    try:
        with show.progress("annotate") as bar:
            asking = dataclasses.replace(asking, progress=bar)
            made = annotate(dataset, tasks, output, provider, asking, options)
    except KeyboardInterrupt:
        kept = f"what was answered is kept in {asking.journal}, " if asking.journal else ""
        show.stopped(f"; {kept}run the same command again to go on")
        raise typer.Exit(130) from None
    _report(made, json_wanted=json_wanted)
    record = made.result.record
    show.failures(record)
    if made.tally.unanswered or made.tally.by_status["blocked"] or record.failures:
        raise typer.Exit(show.PARTLY)


def _report(made: Made, *, json_wanted: bool) -> None:
    tally, spent = made.tally, made.tally.spent
    passed_over = [
        {"task": task, "lacks": key, "samples": count}
        for (task, key), count in sorted(tally.passed_over.items())
    ]
    if json_wanted:
        show.as_json(
            {
                "path": str(made.result.root),
                "records": sum(tally.by_status.values()),
                "by_status": dict(sorted(tally.by_status.items())),
                "unanswered": tally.unanswered,
                "problems": [
                    {"sample": one.sample_id, "task": one.task, "detail": one.detail}
                    for one in tally.problems
                ],
                "passed_over": passed_over,
                "asked": spent.asked,
                "from_journal": spent.from_journal,
                "retried": spent.retried,
                "usage": spent.usage.model_dump(),
                "cost": spent.cost,
                "failures": [failure.model_dump() for failure in made.result.record.failures],
            }
        )
        return
    typer.echo(
        f"{sum(tally.by_status.values())} records: {show.counted(dict(sorted(tally.by_status.items())))}"
    )
    typer.echo(f"asked    {spent.asked} ({spent.retried} retries), {spent.from_journal} from the journal")
    typer.echo(f"cost     {_dollars(spent.cost)} for {_tokens(spent.usage)}")
    _tell_passed_over(passed_over)
    typer.echo(f"dataset  {made.result.root}")
    for one in tally.problems[:_SHOWN]:
        typer.echo(f"no answer: sample {one.sample_id}, task {one.task}: {one.detail}", err=True)
    if (more := tally.unanswered - _SHOWN) > 0:
        typer.echo(f"no answer: {more} more", err=True)


def _show_plan(
    dataset: str, tasks: list[Task], provider: Provider, asking: Asking, *, json_wanted: bool
) -> None:
    from facedata.annotate.run import plan
    from facedata.datasets.dataset import Dataset

    planned: Plan = plan(Dataset.open(dataset), tasks, provider, asking)
    passed_over = [
        {"task": task, "lacks": key, "samples": count}
        for (task, key), count in sorted(planned.passed_over.items())
    ]
    if json_wanted:
        show.as_json(
            {
                "requests": planned.requests,
                "in_journal": planned.in_journal,
                "to_ask": planned.requests - planned.in_journal,
                "usage": planned.usage.model_dump(),
                "cost": planned.cost,
                "passed_over": passed_over,
            }
        )
        return
    to_ask = planned.requests - planned.in_journal
    typer.echo(f"requests {planned.requests}: {planned.in_journal} in the journal, {to_ask} to ask")
    typer.echo(f"tokens   at most {_tokens(planned.usage)}")
    typer.echo(f"cost     at most {_dollars(planned.cost)}, without repairs")
    _tell_passed_over(passed_over)


def _tell_passed_over(passed_over: list[dict[str, Any]]) -> None:
    for one in passed_over:
        typer.echo(f"note     {one['samples']} samples lack {one['lacks']}, which {one['task']} needs")


def _dollars(cost: float | None) -> str:
    return "unknown (say the price with --price IN,OUT)" if cost is None else f"{cost:.4f} USD"


def _tokens(usage: Any) -> str:
    return f"{usage.prompt} prompt and {usage.output} output tokens"


app.command("score")(annotate_score.score)
app.command("au")(annotate_reannotate.au)
app.command("expression")(annotate_reannotate.expression)
