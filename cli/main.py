"""The `facedata` command. Importing this is cheap: what a verb needs is imported inside the verb."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facedata import __version__
from facedata.cli import (
    annotate,
    audit,
    augment,
    curate,
    diff,
    doctor,
    edit,
    eval,
    export,
    info,
    ingest,
    init,
    join,
    log,
    maps,
    merge,
    rebuild,
    report,
    sample,
    show,
    split,
    synth,
    train,
    validate,
)
from facedata.cli import filter as filter_verb
from facedata.datasets.errors import OUT_OF_MEMORY, FacedataError
from facedata.datasets.remote import shown_in

__all__ = ["app", "run"]


class _Verbs(TyperGroup):
    """The verbs; an error made for people is printed in one line, with its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FacedataError as error:
            typer.echo(f"facedata: {shown_in(str(error))}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            show.stopped("; what is finished is kept, go on with --resume")
            raise typer.Exit(130) from None
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "can't start new thread" not in str(error):
                raise
            typer.echo(f"facedata: {OUT_OF_MEMORY}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Face datasets with physics, truth and a history.",
    epilog="Start with: facedata ingest demo -o faces, then facedata augment faces -o attacks.",
)
app.command("ingest")(ingest.ingest)
app.command("join")(join.join)
app.command("augment")(augment.augment)
app.command("maps")(maps.maps)
app.add_typer(synth.app, name="synth")
app.add_typer(train.app, name="train")
app.add_typer(annotate.app, name="annotate")
app.add_typer(curate.app, name="curate")
app.command("info")(info.info)
app.command("validate")(validate.validate)
app.command("report")(report.report)
app.command("audit")(audit.audit)
app.command("filter")(filter_verb.filter_rows)
app.command("merge")(merge.merge)
app.command("edit")(edit.edit)
app.command("split")(split.split)
app.command("sample")(sample.sample)
app.command("diff")(diff.diff)
app.command("log")(log.log)
app.command("rebuild")(rebuild.rebuild)
app.command("eval")(eval.evaluate)
app.command("export")(export.export)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facedata {__version__}")
        raise typer.Exit()


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Face datasets with physics, truth and a history."""


def run() -> None:
    """Run the command line; a fault of facedata's own is one line too, unless the trace is asked for."""
    try:
        app()
    except KeyboardInterrupt:  # before the verb was found, or after it was done
        show.stopped("")
        sys.exit(130)
    except Exception as error:
        if os.environ.get("FACEDATA_TRACEBACK"):
            raise
        typer.echo(f"facedata: internal error: {error!r}; FACEDATA_TRACEBACK=1 shows where", err=True)
        sys.exit(1)
