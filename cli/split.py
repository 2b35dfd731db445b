"""facedata split DATASET -o DATASET."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show


class By(StrEnum):
    """What is kept together."""

    subject = "subject"
    identity = "identity"
    domain = "domain"
    source = "source"


def _list_protocols(wanted: bool) -> None:
    if wanted:
        from facedata.datasets.versions.protocol import stock_protocols

        for name, title in stock_protocols().items():
            show.echo(f"{name:14} {title}")
        raise typer.Exit()


def split(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    output: o.Output,
    by: Annotated[
        By,
        typer.Option(
            help="What stays together, beside families, videos and equal pictures: a person, a person and "
            "whose face is shown, a domain, or no more than the source file."
        ),
    ] = By.subject,
    ratios: Annotated[str | None, typer.Option(help="Such as train=0.7,val=0.1,test=0.2.")] = None,
    stratify: Annotated[
        str, typer.Option(help="Columns whose shares should be alike, such as label,attack.")
    ] = "",
    protocol: Annotated[
        str | None, typer.Option(help="A protocol by name (see --list), or a YAML file, instead of ratios.")
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(help="With a protocol: the share of train that becomes val, by --by.", min=0, max=1),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same splits.")] = 0,
    layout: o.KeptLayout = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
    list_protocols: Annotated[
        bool,
        typer.Option("--list", callback=_list_protocols, is_eager=True, help="Show protocols, and stop."),
    ] = False,
) -> None:
    """Give every row a split, as a new version. Splits that share a person or a family are not written."""
    from facedata.datasets.errors import UsageError
    from facedata.datasets.versions import split as library
    from facedata.datasets.versions.protocol import HoldOut, load_protocol

    writing = o.writing(layout, resume, overwrite)
    if (ratios is None) == (protocol is None):
        raise UsageError("split takes either --ratios or --protocol")
    if ratios is not None:
        if hold_out is not None:
            raise UsageError("--hold-out goes with --protocol; name the split in --ratios")
        shares = library.parse_ratios(ratios)
        columns = [name.strip() for name in stratify.split(",") if name.strip()]
        result = library.split_by_ratios(
            dataset, output, by=by.value, ratios=shares, stratify=columns, seed=seed, writing=writing
        )
    else:
        if stratify:
            raise UsageError("--stratify goes with --ratios; a protocol says what is where")
        chosen = load_protocol(protocol or "")
        if hold_out is not None:
            held = HoldOut(share=hold_out, by=by.value)
            chosen = chosen.model_copy(update={"hold_out": held})
        result = library.split_by_protocol(dataset, output, chosen, seed=seed, writing=writing)
    show.derived(result, json_wanted=json_wanted, told=_told)


def _told(details: dict[str, Any]) -> str:
    groups = details.get("groups")
    parts = [
        f"{name} {rows}" + (f" in {groups[name]} groups" if groups else "")
        for name, rows in details["splits"].items()
    ]
    return "splits   " + ", ".join(parts)
