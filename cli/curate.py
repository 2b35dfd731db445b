"""facedata curate push|open|pull: a dataset in FiftyOne and back."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.curate.fiftyone.pull import Pulled
    from facedata.curate.fiftyone.push import Pushed

__all__ = ["app"]

_SHOWN = 20

app = typer.Typer(
    no_args_is_help=True,
    help="Look at a dataset in FiftyOne, edit it there, and take the edits back as a new version.",
)

Source = Annotated[Path, typer.Argument(help="The folder of a dataset.", metavar="DATASET")]
Name = Annotated[
    str | None, typer.Option(help="Name of the FiftyOne dataset.", show_default="facedata-FOLDER")
]
Uri = Annotated[
    str | None,
    typer.Option(
        help="MongoDB to use: mongodb://HOST:PORT.",
        show_default="FIFTYONE_DATABASE_URI, else FiftyOne's own",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder for pictures of the layout shards, which the App needs as files.",
        show_default=".facedata/pictures",
    ),
]


@app.command()
def push(
    dataset: Source,
    name: Name = None,
    audit: Annotated[
        Path | None,
        typer.Option(help="A folder that facedata audit -o wrote: fields, tags and views of what it found."),
    ] = None,
    uri: Uri = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Push anew, whatever was edited there since the last push.")
    ] = False,
    cache: Cache = None,
    json_wanted: o.Json = False,
) -> None:
    """Push a dataset into FiftyOne: fields in groups, masks, families, saved views, forms to annotate with.

    FiftyOne is a view: whatever is there can be pushed again, but for edits that were not pulled.
    """
    from facedata.curate.fiftyone.push import push as library

    with show.progress("push") as progress:
        result = library(
            dataset,
            name=name,
            audit=audit,
            uri=uri,
            overwrite=overwrite,
            cache=cache,
            progress=progress,
        )
    if json_wanted:
        show.as_json(
            {
                "name": result.name,
                "version": result.version,
                "rows": result.rows,
                "views": result.views,
                "already": result.already,
                "re_rooted": result.re_rooted,
                "missing": result.missing,
            }
        )
    else:
        _tell_push(result, dataset, name)
    for number, reason in enumerate(result.missing.values()):
        if number == _SHOWN:
            show.echo(
                f"no picture: {len(result.missing) - _SHOWN} more; facedata validate names them", err=True
            )
            break
        show.echo(f"no picture: {reason}", err=True)
    if result.missing:
        raise typer.Exit(show.PARTLY)


def _tell_push(result: Pushed, dataset: Path, name: str | None) -> None:
    done = "pushed already" if result.already else "pushed"
    show.echo(f"{done} {result.rows} samples as {result.name}")
    show.echo(f"version  {result.version}")
    if result.re_rooted:
        show.echo(f"paths    {result.re_rooted} samples look here for their pictures")
    if result.views:
        show.echo(f"views    {', '.join(result.views)}")
    named = f" --name {name}" if name else ""
    show.echo(f"next     facedata curate open {dataset}{named}")


@app.command("open")
def open_(
    dataset: Source,
    name: Name = None,
    uri: Uri = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Only serve the App, for a browser on another machine.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the App.")] = 5151,
    address: Annotated[str, typer.Option(help="Address to serve at; 0.0.0.0 is all of them.")] = "127.0.0.1",
    re_root: Annotated[
        bool,
        typer.Option("--re-root", help="Look for the pictures here, where another place was pushed."),
    ] = False,
    cache: Cache = None,
) -> None:
    """Open FiftyOne's App on a dataset that was pushed, until it is closed or Ctrl-C."""
    from facedata.curate.fiftyone.open import open_app

    opened = open_app(
        dataset,
        name=name,
        uri=uri,
        remote=remote,
        port=port,
        address=address,
        here=re_root,
        cache=cache,
    )
    for note in opened.notes:
        show.echo(f"note     {note}", err=True)
    if opened.re_rooted:
        show.echo(f"paths    {opened.re_rooted} samples look here for their pictures")
    show.echo(f"open     {opened.name} at http://{address}:{port}")
    if remote:
        show.echo(f"from elsewhere: ssh -N -L {port}:127.0.0.1:{port} {gethostname()}")
    try:
        opened.session.wait(-1 if remote else 3)  # seconds after the last window was closed
    except KeyboardInterrupt:
        opened.session.close()


@app.command()
def pull(
    dataset: Source,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The dataset to write, a folder.")
    ] = None,
    name: Name = None,
    uri: Uri = None,
    author: Annotated[
        str | None, typer.Option(help="Who edited, for each line.", show_default="your user name")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the edits as CSV, and write nothing.")
    ] = False,
    skip_conflicts: Annotated[
        bool,
        typer.Option("--skip-conflicts", help="Leave out edits that do not fit, name them, and exit with 3."),
    ] = False,
    layout: o.KeptLayout = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Take what was edited, tagged and deleted in FiftyOne as a new version, its lines in curation/edits.csv.

    Where the dataset has changed a value itself since the push, nothing is made. Without an edit nothing is
    written. FiftyOne is only read: push the new version to go on from there.
    """
    from facedata.curate.fiftyone.pull import pull as library

    result = library(
        dataset,
        output,
        name=name,
        uri=uri,
        author=author,
        dry_run=dry_run,
        skip_conflicts=skip_conflicts,
        writing=o.writing(layout, resume, overwrite),
    )
    if (strangers := result.pending.strangers) and not json_wanted:
        show.echo(
            f"note     {strangers} samples were never pushed, or stand there twice: left alone", err=True
        )
    if result.made is not None:
        show.derived(result.made, json_wanted=json_wanted, told=lambda details: _told(result, details))
    else:
        _tell_pending(result, dry_run, json_wanted)


def _told(result: Pulled, details: dict[str, int]) -> str:
    derived = f" ({len(result.pending.derived)} derived)" if result.pending.derived else ""
    return (
        f"pulled {len(result.pending.edits)} edits{derived} from {result.name}: "
        f"edited {details['edited_rows']} samples, deleted {details['deleted_rows']}"
    )


def _tell_pending(result: Pulled, dry_run: bool, json_wanted: bool) -> None:
    from facedata.datasets.versions.edits_log import HEADER

    found = result.pending
    if json_wanted:
        show.as_json(
            {
                "name": result.name,
                "edits": [edit.line() for edit in found.edits],
                "derived": len(found.derived),
                "held": found.held,
                "conflicts": found.conflicts,
                "refused": [one.reason for one in found.refused],
                "strangers": found.strangers,
            }
        )
        return
    if not found.edits and not found.refused:
        show.echo(f"{result.name} was not edited since the push; nothing to write")
        return
    show.echo(HEADER)
    for edit in found.edits:
        show.echo(edit.line())
    for reason in [*found.conflicts, *(one.reason for one in found.refused)]:
        show.echo(f"conflict {reason}", err=True)


@app.command("install-plugin")
def install_plugin(
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Remove the link, and nothing else.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="FiftyOne's folder of plugins.", show_default="FIFTYONE_PLUGINS_DIR, or FiftyOne's"
        ),
    ] = None,
    json_wanted: o.Json = False,
) -> None:
    """Add facedata's panel and operators to the App, by a link in FiftyOne's folder of plugins."""
    from facedata.curate import installing

    place = folder or installing.plugins_folder()
    link, done = installing.uninstall(place) if uninstall else installing.install(place)
    if json_wanted:
        show.as_json({"plugin": installing.PLUGIN, "path": str(link), "done": done})
    else:
        show.echo(f"{link}: {done}")
