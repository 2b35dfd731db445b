"""facedata audit DATASET."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show
from facedata.datasets.errors import UsageError

if TYPE_CHECKING:
    from facedata.curate.audit.run import Audited


def _list(wanted: bool) -> None:
    if wanted:
        from facedata.curate.audit.catalogue import AUDITS

        for one in AUDITS:
            typer.echo(f"{one.name:22} {one.title}")
        raise typer.Exit()


def audit(
    dataset: Annotated[Path | None, typer.Argument(help="The folder of a dataset.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for audit.json and audit.parquet (a row a sample).",
            callback=o.on_disk,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write one self-contained page: verdicts, numbers, plots, pictures.", callback=o.on_disk
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Your own vectors: .npy in the order of samples.parquet; .npz (sample_id, embeddings) or "
            ".parquet (sample_id, embedding)."
        ),
    ] = None,
    embedder: Annotated[
        str,
        typer.Option(help="plain (no weights), transformers:FOLDER-OR-NAME, or none."),
    ] = "plain",
    trials: Annotated[
        Path | None,
        typer.Option(
            help="What annotators answered: a CSV of sample_id, annotator, question, answer, confidence."
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=warn]",
            help="Exit with 4 where this audit fails (or warns), or could not be run; `any` stands for all "
            "that were. May be given several times.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this audit alone; may be given several times.")
    ] = None,
    thresholds: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.THRESHOLD=VALUE", help="Another threshold than the stated one."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Screen this text-to-image model (a folder of diffusers) instead of a dataset."),
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="With --checkpoint: a file of words to try as triggers, one a line.")
    ] = None,
    no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Open no picture.")] = False,
    workers: o.Workers = 0,
    cache: o.CacheDir = None,
    no_cache: o.NoCache = False,
    json_wanted: o.Json = False,
    listed: Annotated[
        bool, typer.Option("--list", callback=_list, is_eager=True, help="List the audits and exit.")
    ] = False,
) -> None:
    """Look for what is wrong with a dataset: duplicates, leaks, imbalance, shortcuts."""
    if checkpoint is not None or dataset is None:
        _screen(dataset, checkpoint, words, fail_on or (), thresholds or (), json_wanted)
        return
    from facedata.curate.audit.gates import failing, read_gates
    from facedata.curate.audit.run import Auditing, audit_dataset
    from facedata.curate.audit.settings import read_settings
    from facedata.curate.audit.store import as_json, write_audit

    gates = read_gates(fail_on or ())
    auditing = Auditing(
        only=tuple(only or ()),
        settings=read_settings(thresholds or ()),
        embeddings=embeddings,
        embedder=embedder,
        trials=trials,
        pictures=not no_pictures,
        measuring=o.measuring(workers, cache, no_cache),
        progress=show.progress,
    )
    audited = audit_dataset(dataset, auditing)
    if output is not None:
        write_audit(output, audited.rows, audited.answers, audited.about)
    if html is not None:
        from facedata.curate.audit.html import write_page

        write_page(audited, html)
    if json_wanted:
        show.as_json(as_json(audited.answers, audited.about))
    else:
        _tell(audited)
        for name, path in (("audit", output), ("page", html)):
            if path is not None:
                typer.echo(f"{name:8} {path}")
    if reasons := failing(gates, audited.answers):
        for reason in reasons:
            typer.echo(f"facedata: {reason}", err=True)
        raise typer.Exit(show.FAILED_AUDIT)


def _screen(
    dataset: Path | None,
    checkpoint: Path | None,
    words: Path | None,
    gates: Sequence[str],
    thresholds: Sequence[str],
    json_wanted: bool,
) -> None:
    """Screen a checkpoint and print what was found; `--fail-on backdoor` is the one gate there is."""
    if checkpoint is None or dataset is not None:
        raise UsageError("give the folder of a dataset, or a model with --checkpoint, and not both")
    if odd := sorted(set(gates) - {"backdoor", "backdoor=fail", "backdoor=warn", "any"}):
        raise UsageError(f"--fail-on {odd[0]}: with --checkpoint there is backdoor alone")
    from facedata.curate.audit.checkpoint import audit_checkpoint
    from facedata.curate.audit.settings import read_settings
    from facedata.curate.audit.store import as_json

    answer, about = audit_checkpoint(checkpoint, read_settings(thresholds), words)
    if json_wanted:
        show.as_json(as_json([answer], about))
    else:
        typer.echo(f"{answer.outcome.verdict:8} {answer.audit.name}  {answer.outcome.said}")
    if gates and answer.outcome.verdict == "fail":
        raise typer.Exit(show.FAILED_AUDIT)


def _tell(audited: Audited) -> None:
    """Print a line an audit: its verdict, its name, what it found."""
    width = max(len(answer.audit.name) for answer in audited.answers)
    for answer in audited.answers:
        typer.echo(f"{answer.outcome.verdict:8} {answer.audit.name:{width}}  {answer.outcome.said}")
