"""facedata export DATASET --to KIND -o FOLDER."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show


def _list_kinds(wanted: bool) -> None:
    if wanted:
        from facedata.datasets.exports.catalogue import KINDS, find_kind

        for name in KINDS:
            kind = find_kind(name)
            show.echo(f"{name:12} {kind.title}")
            for choice, field in kind.choices.model_fields.items():
                default = "none" if field.default in ((), None) else field.default
                show.echo(f"{'':12}   {choice}: {field.description} ({default})")
        raise typer.Exit()


def export(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    kind: Annotated[str, typer.Option("--to", metavar="KIND", help="The form to write; see --list.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")],
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    choose: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A choice of the kind; see --list. May be repeated."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the export that the output holds.")
    ] = False,
    status: Annotated[
        str | None, typer.Option(help="Instructions: records of these statuses, with commas (accept).")
    ] = None,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="Instructions: ids and text only, no pictures.")
    ] = False,
    balance: Annotated[
        bool, typer.Option("--balance", help="Instructions: as many of each answer, by split and task.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="With --balance: which records stay.")] = None,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="Also upload the folder to the Hugging Face hub, with the token in HF_TOKEN.",
        ),
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", help="With --push: a new repository is open to all, not private.")
    ] = False,
    json_wanted: o.Json = False,
    list_kinds: Annotated[
        bool,
        typer.Option("--list", callback=_list_kinds, is_eager=True, help="Show kinds and choices, and stop."),
    ] = False,
) -> None:
    """Write a dataset in a form that trainers and hubs read without facedata."""
    from facedata.datasets.errors import UsageError
    from facedata.datasets.exports.catalogue import find_kind, hub_kinds
    from facedata.datasets.exports.hub import check_push
    from facedata.datasets.exports.hub import push as upload
    from facedata.datasets.exports.run import export as library

    choices: dict[str, str] = {}
    for pair in choose or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--choose {pair!r} is not of the form NAME=VALUE")
        choices[name.strip()] = value.strip()
    choices |= {"status": status} if status is not None else {}
    choices |= {"images": "none"} if no_images else {}
    choices |= {"balance": "true"} if balance else {}
    choices |= {"seed": str(seed)} if seed is not None else {}
    if push is not None:  # seen to before the work, not after it
        check_push(push)
        if not find_kind(kind).hub:
            raise UsageError(f"--push takes no {kind}; the hub takes {', '.join(hub_kinds())}")
    elif public:
        raise UsageError("--public says how to --push; give the repository with --push OWNER/NAME")
    with show.progress("export") as bar:
        done = library(
            dataset, output, kind, splits=split or (), choices=choices, overwrite=overwrite, progress=bar
        )
    address = None if push is None else upload(done.root, push, version=done.version, private=not public)
    if json_wanted:
        show.as_json({**done.to_json(), "pushed": address})
        return
    show.echo(f"exported {sum(done.rows.values())} rows of version {done.version} as {kind}")
    show.echo(f"splits   {show.counted(done.rows)}")
    for note in done.notes:
        show.echo(f"note     {note}")
    show.echo(f"folder   {done.root}")
    if address:
        show.echo(f"pushed   {address}")
