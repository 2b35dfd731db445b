"""The App's panel: what the view holds, what asks for a look, and what was edited since the push."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fiftyone as fo
from fiftyone.operators import types
from fiftyone.operators.categories import Categories
from fiftyone.operators.panel import Panel, PanelConfig

from facedata.curate.fiftyone.overview import Overview, overview
from facedata.curate.fiftyone.pull import pending
from facedata.curate.fiftyone.state import open_state
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError
from facedata.datasets.plain import printable

__all__ = ["CurationPanel"]

_MOST_EDITS = 50
_SHOWS, _RESTS = "#ff6d04", "#6f7785"  # the App's accent, and a grey that shows on light and dark
_SAVE = "@facedata/curation/save_curation"


class CurationPanel(Panel):
    """Counts by label, attack and split, coverage of action units, disagreement, edits since the push."""

    @property
    def config(self) -> Any:
        return PanelConfig(
            name="facedata",
            label="facedata",
            icon="face",
            category=Categories.CURATE,
            help_markdown="What this view holds, and what was edited since `facedata curate push`",
        )

    def on_load(self, ctx: Any) -> None:
        """Count the view that is shown."""
        ctx.panel.set_state("view", _shown(ctx))
        try:
            found = overview(fo, open_state(fo, ctx.dataset.name), ctx.view)
        except FacedataError as error:
            ctx.panel.set_state("head", f"**{_cell(error)}**")
            return
        ctx.panel.set_state("head", _head(found))
        ctx.panel.set_state("counts", _counts(found))
        ctx.panel.set_state("attention", _attention(found))
        ctx.panel.set_state("has_units", bool(found.units))
        ctx.panel.set_data("units", _units(found))

    refresh = on_load

    def on_change_view(self, ctx: Any) -> None:
        """Count the view, if it is another one: the App tells of changes that are none too."""
        if ctx.panel.get_state("view") != _shown(ctx):
            self.on_load(ctx)

    def list_edits(self, ctx: Any) -> None:
        """List what `save curation` would write."""
        try:
            state = open_state(fo, ctx.dataset.name)
            found = pending(state, Dataset.open(Path(state.root)))
        except FacedataError as error:
            ctx.panel.set_state("edits", f"**{_cell(error)}**")
            return
        rows = [[one.sid[:12], one.field, one.old, one.new, one.message] for one in found.edits[:_MOST_EDITS]]
        text = _table(["sample", "field", "was", "is", ""], rows) if rows else "Nothing was edited."
        if (more := len(found.edits) - _MOST_EDITS) > 0:
            text += f"\n\nand {more} more"
        conflicts = [*found.conflicts, *(one.reason for one in found.refused)]
        text += "".join(f"\n\n**Conflict:** {_cell(one)}" for one in conflicts[:_MOST_EDITS])
        ctx.panel.set_state("edits", text)
        self.on_load(ctx)

    def render(self, ctx: Any) -> Any:
        # Texts are bound by name to the panel's state: the App asks for several renders at once, and one of
        # an older state that came last would else hide what a newer one shows.
        panel = types.Object()
        panel.str("head", view=types.MarkdownView())
        row = panel.h_stack("actions", gap=2)
        row.btn("refresh", label="Count again", on_click=self.refresh)
        row.btn("list", label="List edits", on_click=self.list_edits)
        row.btn("save", label="Save curation", on_click=_SAVE, prompt=True, variant="contained")
        panel.str("edits", view=types.MarkdownView())
        panel.str("attention", view=types.MarkdownView())
        if ctx.panel.get_state("has_units"):
            layout = {
                "title": {"text": "Action units coded", "font": {"size": 14}},
                "barmode": "stack",
                "height": 300,
                "xaxis": {"type": "category", "tickangle": 0},
                "yaxis": {"rangemode": "tozero", "title": {"text": "samples"}},
                "showlegend": True,
                "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.15},
                "margin": {"t": 50, "b": 30, "l": 60, "r": 10},
            }
            panel.plot("units", layout=layout, config={"displayModeBar": False})
        panel.str("counts", view=types.MarkdownView())
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2))


def _shown(ctx: Any) -> str:
    """Return a text that tells views apart: of other datasets, of other stages, of other filters."""
    told, names = ctx.request_params, ("view", "view_name", "filters", "extended")
    return json.dumps([ctx.dataset.name, *map(told.get, names)])


def _head(found: Overview) -> str:
    edited = f"{found.touched} touched since the push" if found.touched else "nothing touched since the push"
    return f"**{found.samples} samples, {edited}**"


def _counts(found: Overview) -> str:
    """Return one table; a field's name stands before its first value."""
    rows = []
    for name, table in found.counts.items():
        names = [f"**{name}**", *[""] * len(table)]
        shares = [f"{number / found.samples:.0%}" for number in table.values()]
        rows += list(zip(names, table, table.values(), shares, strict=False))
    return _table(["", "", "samples", "share"], rows)


def _attention(found: Overview) -> str:
    return _table(["asks for a look", "samples"], list(found.attention.items())) if found.attention else ""


def _units(found: Overview) -> list[dict[str, Any]]:
    """Return two bars a unit, one on the other: coded and showing, coded and at rest."""
    names = [str(one.unit) for one in found.units]
    shows = [one.shows for one in found.units]
    rests = [one.coded - one.shows for one in found.units]
    return [
        {"type": "bar", "name": "shows", "x": names, "y": shows, "marker": {"color": _SHOWS}},
        {"type": "bar", "name": "at rest", "x": names, "y": rests, "marker": {"color": _RESTS}},
    ]


def _table(head: list[str], rows: list[Any]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    """Return what stands in a table: no link, picture or tag of a name, which may be a stranger's."""
    text = printable(str(value))
    for sign in "\\`[]<|":
        text = text.replace(sign, f"&#{ord(sign)};")
    return text
