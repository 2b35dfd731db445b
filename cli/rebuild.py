"""facedata rebuild DATASET.

Every verb that makes datasets has its rebuilder here, for the rooms below know no verbs but their own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.datasets.engine import Options
    from facedata.datasets.record import Record
    from facedata.datasets.versions.derive import Writing
    from facedata.datasets.versions.rebuild import Inputs

ANSWERS = Path(".facedata/answers.sqlite")


@dataclass(frozen=True, slots=True)
class Order:
    """A dataset to make again: its record, where its inputs may be, and where to write."""

    record: Record
    root: Path
    inputs: Inputs
    target: Path
    options: Options
    detector: str = "cascade"
    answers: Path = ANSWERS

    @property
    def parameters(self) -> dict[str, Any]:
        """What the verb was told."""
        return self.record.parameters

    @property
    def seed(self) -> int:
        """The run's seed, 0 where it had none."""
        return self.record.seed or 0

    @property
    def writing(self) -> Writing:
        """How a version that renders nothing is written."""
        from facedata.datasets.versions.derive import Writing

        return Writing(self.record.layout, overwrite=self.options.overwrite)

    def parents(self) -> list[Path]:
        """Return the folders of the parents, in order."""
        return [self.inputs.dataset(parent) for parent in self.record.parents]

    def source(self) -> Path:
        """Return the one input: a dataset, or the folder or list that was read."""
        return self.parents()[0] if self.record.parents else self.inputs.source(str(self.parameters["input"]))


def rebuild(
    dataset: Annotated[Path, typer.Argument(help="The folder of a dataset.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Keep what is made here; else it is removed.", callback=o.on_disk
        ),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--input", help="What it was made from, or a folder that holds that; may be repeated."),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="What cut out the faces, as `facedata ingest --detector` takes it.")
    ] = "cascade",
    answers: Annotated[
        Path, typer.Option(help="The journal of answers an annotated dataset rests on, or what it replayed.")
    ] = ANSWERS,
    engine: o.EngineOption = o.Engine.auto,
    address: o.Address = None,
    workers: o.Workers = 0,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Make a dataset again from its record: exit code 0 where it is the same, 4 where it is not.

    Inputs are found by their version: among --input, then beside the dataset. No model is asked: its answers
    come from --answers, and one that is not there is named.
    """
    from facedata.datasets.dataset import Dataset
    from facedata.datasets.inputs import refuse_overlap
    from facedata.datasets.versions.rebuild import Inputs

    found = Dataset.open(dataset)
    if output is not None:
        refuse_overlap(dataset, output)
    with tempfile.TemporaryDirectory(prefix="facedata-rebuild-") as folder:
        options = o.options(
            layout=o.Layout(found.record.layout),
            engine=engine,
            address=address,
            workers=workers,
            resume=False,
            overwrite=overwrite,
            cache=None,
            no_cache=True,  # what the cache holds was made by the run that is put to the test
            max_megapixels=found.record.parameters.get("max_pixels", 64_000_000) / 1e6,
        )
        target = output or Path(folder, found.root.resolve().name)
        places = Inputs(found.root, inputs or ())
        order = Order(found.record, found.root, places, target, options, detector, answers)
        _rebuilder(found.record)(order)
        _report(found, target, kept=output is not None, json_wanted=json_wanted)
        if output is None:
            shutil.rmtree(target, ignore_errors=True)


def _rebuilder(record: Record) -> Callable[[Order], None]:
    from facedata.datasets.errors import UsageError

    if record.verb not in REBUILDERS:
        known = ", ".join(REBUILDERS)
        raise UsageError(f"it was made by {record.verb!r}, which cannot be rebuilt; there are {known}")
    return REBUILDERS[record.verb]


def _report(found: Any, target: Path, *, kept: bool, json_wanted: bool) -> None:
    from facedata.datasets.dataset import Dataset
    from facedata.datasets.versions.diff import diff
    from facedata.datasets.versions.rebuild import first_difference

    made = Dataset.open(target)
    same = made.version == found.version
    first = None if same else first_difference(found.record, diff(found.root, target))
    if json_wanted:
        path = str(target) if kept else None
        show.as_json(
            {"same": same, "version": found.version, "rebuilt": made.version, "first": first, "path": path}
        )
    else:
        typer.echo(f"version  {found.version}")
        typer.echo(f"rebuilt  {made.version}" + (" (the same)" if same else ""))
        if first:
            typer.echo(f"differs  {first}")
        if kept:
            typer.echo(f"dataset  {target}")
    if not same:
        raise typer.Exit(show.DIFFERENT)


def _ingest(order: Order) -> None:
    from facedata.datasets import ingest as library

    told = order.parameters
    if told["kind"] == "demo":
        numbers = {name: told[name] for name in ("identities", "pictures", "size")}
        library.ingest_demo(order.target, order.options, seed=order.seed, **numbers)
    elif told["kind"] not in library.INGEST_KINDS:
        library.ingest_reader(
            told["kind"],
            order.source(),
            order.target,
            _reading(told),
            order.options,
            choices=told.get("choices"),
            framing=_framing(order),
        )
    else:
        library.ingest(told["kind"], order.source(), order.target, _reading(told), order.options)


def _framing(order: Order) -> Any:
    from facedata.datasets.framing import Framing

    return Framing.stated(order.parameters, order.detector)


def _join(order: Order) -> None:
    from facedata.datasets.detections.join import join

    told = order.parameters
    join(
        order.source(),
        order.inputs.source(told["input"]),
        order.target,
        told["kind"],
        order.options,
        name=told["name"],
        tool_version=told.get("tool_version"),
    )


def _augment(order: Order) -> None:
    from facedata.augment.policy import Policy
    from facedata.augment.run import augment
    from facedata.datasets.pictures import Encoding

    told = order.parameters
    augment(
        order.source(),
        order.target,
        policy=Policy.model_validate(told["policy"]),
        variants=told["variants"],
        seed=order.seed,
        label_effect=told["label_effect"],
        keep_originals=told["originals"] == "keep",
        encoding=Encoding(**told["encoding"]),
        truth=told["truth"],
        sessions=told.get("sessions"),
        reading=_reading(told),
        options=order.options,
    )


def _reading(told: dict[str, Any]) -> Any:
    from facedata.datasets.inputs import Reading

    return Reading(**{name: told[name] for name in Reading.__slots__ if name in told})


def _maps(order: Order) -> None:
    from facedata.recipes.maps.run import write_maps

    write_maps(order.source(), order.target, order.parameters["maps"], order.options)


def _filter(order: Order) -> None:
    from facedata.datasets.versions.filter import filter_rows

    filter_rows(order.source(), order.parameters["where"], order.target, order.writing)


def _merge(order: Order) -> None:
    from facedata.datasets.versions.merge import merge

    merge(order.parents(), order.target, prefer=order.parameters.get("prefer"), writing=order.writing)


def _sample(order: Order) -> None:
    from facedata.datasets.versions.sampling import sample_rows

    told = dict(order.parameters)
    count = told.pop("count")
    sample_rows(order.source(), count, order.target, seed=order.seed, writing=order.writing, **told)


def _split(order: Order) -> None:
    from facedata.datasets.versions.protocol import Protocol
    from facedata.datasets.versions.split import split_by_protocol, split_by_ratios

    told = order.parameters
    if "protocol" in told:
        protocol = Protocol.model_validate(told["protocol"])
        split_by_protocol(order.source(), order.target, protocol, seed=order.seed, writing=order.writing)
    else:
        split_by_ratios(order.source(), order.target, seed=order.seed, writing=order.writing, **told)


def _edit(order: Order) -> None:
    from facedata.datasets.dataset import Dataset
    from facedata.datasets.versions.edit import apply_edits, edits_of

    told = order.parameters
    edits = edits_of(Dataset.open(order.root), told["edits"], told["sha256"])
    skip = told["conflicts"] == "skip"
    apply_edits(Dataset.open(order.source()), edits, order.target, skip, order.writing)


def _annotate(order: Order) -> None:
    from facedata.annotate.rebuild import rebuild as annotate_again
    from facedata.datasets.dataset import Dataset

    if "adjudicated" in order.parameters:
        _adjudicate(order)
    else:
        made = Dataset.open(order.root)
        annotate_again(made, order.source(), order.target, order.answers, order.options)


def _adjudicate(order: Order) -> None:
    from facedata.annotate.reannotate_run import reannotate

    told = order.parameters
    source, *answers = order.parents()
    with tempfile.TemporaryDirectory(prefix="facedata-review-") as folder:
        reannotate(
            told["adjudicated"],
            source,
            answers,
            order.target,
            Path(folder, "review.csv"),
            threshold=told["threshold"],
            stated=told["reliability"],
            writing=order.writing,
        )


REBUILDERS: dict[str, Callable[[Order], None]] = {
    "ingest": _ingest,
    "join": _join,
    "augment": _augment,
    "maps": _maps,
    "filter": _filter,
    "merge": _merge,
    "sample": _sample,
    "split": _split,
    "edit": _edit,
    "annotate": _annotate,
}
