"""`facedata report`: one HTML page about a dataset that needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from facedata.curate.pages import page_template
from facedata.curate.report_records import show_records
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError, TargetError
from facedata.datasets.items import printable
from facedata.datasets.pictures import read_picture
from facedata.datasets.record import write_text
from facedata.datasets.sample import Sample
from facedata.datasets.sheet import SHEET_NAME, steps_of

__all__ = ["write_report"]

_THUMBNAIL = 160  # pixels
_MOST_VALUES = 20_000  # of one parameter: a histogram of more looks the same
_FRAME = (0.16, 0.26, 0.8, 0.58)  # of a histogram: left, bottom, width, height
_BAR = "#52525b"


@dataclass
class _Collected:
    """What one pass over the rows leaves: a few pictures of each group, and values of each parameter."""

    groups: dict[str, list[Sample]] = field(default_factory=dict)
    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    uses: Counter[str] = field(default_factory=Counter)
    parents: dict[str, Sample] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Shown:
    picture: str
    parent: str | None
    caption: str
    detail: str


def write_report(dataset: str | Path, target: Path, *, pictures: int = 6, records: int = 60) -> None:
    """Write the page about `dataset` to `target`.

    It holds counts, pictures of each label and attack beside their parents, the distribution of each
    operator's parameters, up to `records` instruction records with what they rest on, lineage and failures.
    """
    found = Dataset.open(dataset)
    collected = _collect(found, pictures)
    sections = [
        (name, [_show(found, collected, sample) for sample in samples])
        for name, samples in sorted(collected.groups.items())
    ]
    record, counts = found.record, found.record.counts
    page = page_template("report.html").render(
        name=found.root.resolve().name,
        record=record,
        tables=_tables(counts.model_dump()),
        sections=sections,
        operators=_operators(collected),
        sheet=_sheet(found.root),
        instructions=show_records(found, records) if counts.instructions else None,
        failures=[printable(failure.reason) for failure in record.failures],
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, page)
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error.strerror}; choose another -o") from None


def _collect(dataset: Dataset, pictures: int) -> _Collected:
    """Read the rows once; they come in the order of their ids, which are hashes: a fair sample."""
    collected = _Collected()
    for sample in dataset:
        group = sample.attack or sample.label or "unlabelled"
        group = f"spoof: {group}" if sample.attack else group
        members = collected.groups.setdefault(group, [])
        if len(members) < pictures:
            members.append(sample)
        for step in steps_of(sample):
            if step["operator"] not in (sample.operator or "").split("+"):
                continue  # it was drawn at strength zero
            collected.uses[step["operator"]] += 1
            for name, value in step.get("parameters", {}).items():
                values = collected.values.setdefault((step["operator"], name), [])
                if len(values) < _MOST_VALUES:
                    values.append(value)
    wanted = {sample.parent_id for members in collected.groups.values() for sample in members}
    if wanted - {None}:
        collected.parents = {sample.sample_id: sample for sample in dataset if sample.sample_id in wanted}
    return collected


def _tables(counts: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, int, float]]]]:
    tables = []
    for key in ("by_label", "by_attack", "by_domain", "by_split", "by_operator"):
        table: dict[str, int] = counts[key]
        if table:
            most = max(table.values())
            rows = [(printable(name), number, 100 * number / most) for name, number in table.items()]
            tables.append((key.removeprefix("by_"), rows))
    return tables


def _show(dataset: Dataset, collected: _Collected, sample: Sample) -> _Shown:
    parent = collected.parents.get(sample.parent_id or "")
    steps = "; ".join(
        f"{step['operator']} " + ", ".join(f"{n} {_short(v)}" for n, v in step.get("parameters", {}).items())
        for step in steps_of(sample)
    )
    source = sample.source.file if sample.source and sample.source.file else sample.sample_id
    caption = (sample.operator or Path(source).stem).replace("+", " + ")
    about = [sample.sample_id[:12], sample.subject, sample.domain, sample.expression, steps or None]
    return _Shown(
        _picture(dataset, sample),
        _picture(dataset, parent) if parent else None,
        printable(caption),
        printable(" | ".join(text for text in about if text)),
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _picture(dataset: Dataset, sample: Sample) -> str:
    """Return a thumbnail as a data address, or an empty one where the picture is damaged."""
    try:
        pixels = read_picture(dataset.read(sample.image), sample.image, max_pixels=2**40).pixels
    except FacedataError:
        return "data:,"
    image = Image.fromarray(pixels)
    image.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return _data_address(image, "JPEG")


def _data_address(image: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=85)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _sheet(root: Path) -> str | None:
    try:
        with Image.open(root / SHEET_NAME) as sheet:
            return _data_address(sheet.convert("RGB"), "JPEG")
    except OSError:
        return None


def _operators(collected: _Collected) -> list[tuple[str, int, list[str]]]:
    plots: dict[str, list[str]] = {name: [] for name in collected.uses}
    for (operator, name), values in sorted(collected.values.items()):
        plots[operator].append(_histogram(name, values))
    return [(name, collected.uses[name], plots[name]) for name in sorted(plots)]


def _histogram(name: str, values: list[Any]) -> str:
    """Return an SVG drawing of a parameter's distribution."""
    with mpl.rc_context(
        {"svg.hashsalt": name, "svg.fonttype": "none", "text.parse_math": False, "font.size": 8}
    ):
        figure = Figure(figsize=(2.6, 1.5))
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            # A page has hundreds of these: a fixed frame and one outline take 0.4 of the time that a layout
            # which is looked for takes, with bars.
            axes = figure.add_axes(_FRAME)
            counts, edges = np.histogram(np.asarray(values, np.float64), 20)
            axes.stairs(counts, edges, fill=True, color=_BAR)
            axes.locator_params(axis="x", nbins=4)
        else:
            figure.set_layout_engine("constrained")
            axes = figure.subplots()
            tally = Counter(map(str, values)).most_common(12)
            axes.barh([label for label, _ in tally][::-1], [n for _, n in tally][::-1], color=_BAR)
        axes.set_title(name, fontsize=8, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    return text[text.index("<svg") :]  # without the XML prologue, so that it can stand in HTML
