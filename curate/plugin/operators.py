"""Operators of the App: save what was edited as a version, augment or re-annotate what is selected."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from facedata.curate.fiftyone.pictures import PICTURES
from facedata.curate.fiftyone.pull import pull
from facedata.curate.fiftyone.push import push
from facedata.curate.fiftyone.state import State, open_state
from facedata.curate.selection import annotate_selected, augment_selected, free_folder
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError
from facedata.datasets.plain import in_markdown

__all__ = ["AugmentSelected", "ReannotateSelected", "SaveCuration"]


class _Verb(foo.Operator):
    """One of facedata's verbs: a form of its arguments, and a dataset that it makes beside the one shown.

    `make` returns what the verb says of the dataset, with its folder as `path`, or without one where there
    was nothing to make. An error made for people is shown as such, and returned as `error`.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    says: ClassVar[str]
    icon: ClassVar[str]
    word: ClassVar[str]
    """What the new folder is named by: attacks-WORD-1."""

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name=self.name, label=self.label, description=self.says, icon=self.icon, view_target=False
        )

    def arguments(self, ctx: Any, form: Any) -> None:
        """Add the verb's own arguments to the form."""
        raise NotImplementedError

    def make(self, ctx: Any, state: State, target: Path) -> dict[str, Any]:
        """Make the dataset `target`."""
        raise NotImplementedError

    def resolve_input(self, ctx: Any) -> Any:
        form = types.Object()
        try:
            root = Path(open_state(fo, ctx.dataset.name).root)
        except FacedataError as error:
            form.view("error", types.Error(label=str(error)))
            return types.Property(form, view=types.View(label=self.label))
        self.arguments(ctx, form)
        form.str(
            "output",
            default=str(free_folder(root, self.word)),
            label="Folder",
            description="The new dataset",
        )
        form.bool("show", default=False, label="Show it here", description="Push it, and open it in the App")
        return types.Property(form, view=types.View(label=self.label))

    def execute(self, ctx: Any) -> dict[str, Any]:
        try:
            state = open_state(fo, ctx.dataset.name)
            root = Path(state.root)
            # The App's server stands in a folder of FiftyOne's own: whatever is relative goes by the dataset.
            target = root.parent / (ctx.params.get("output") or free_folder(root, self.word))
            told = self.make(ctx, state, target)
            if ctx.params.get("show") and told.get("path"):
                told["name"] = push(Path(told["path"]), cache=root.parent / PICTURES).name
                ctx.ops.open_dataset(told["name"])
        except FacedataError as error:
            ctx.ops.notify(str(error), variant="error")
            return {"error": str(error), "said": f"**Nothing was made.** {in_markdown(str(error))}"}
        ctx.ops.notify(told["said"], variant="success")
        return told

    def resolve_output(self, ctx: Any) -> Any:
        outputs = types.Object()
        outputs.str("said", view=types.MarkdownView())
        if ctx.results.get("path"):
            outputs.str("path", label="Dataset")
            outputs.str("version", label="Version")
        return types.Property(outputs, view=types.View(label=self.label))


class SaveCuration(_Verb):
    """What was edited, tagged and deleted since the push, as a new version; `facedata curate pull`."""

    name = "save_curation"
    label = "facedata: save curation"
    says = "Write what was edited since the push as a new version"
    icon = "save"
    word = "curated"

    def resolve_placement(self, ctx: Any) -> Any:
        button = types.Button(label="Save curation", icon="save", prompt=True)
        return types.Placement(types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, button)

    def arguments(self, ctx: Any, form: Any) -> None:
        form.str("author", label="Author", description="Stands in each line of edits.csv")
        form.bool(
            "skip_conflicts",
            default=False,
            label="Leave out what conflicts",
            description="Else nothing is written where the dataset has changed since the push",
        )

    def make(self, ctx: Any, state: State, target: Path) -> dict[str, Any]:
        done = pull(
            Path(state.root),
            target,
            name=state.name,
            author=ctx.params.get("author") or None,
            skip_conflicts=bool(ctx.params.get("skip_conflicts")),
        )
        if done.made is None:
            return {"said": "Nothing was edited since the push.", "edits": 0}
        number, derived = len(done.pending.edits), len(done.pending.derived)
        follows = f", {derived} of which follow from others" if derived else ""
        return {
            "said": f"Saved {number} edits{follows}.",
            "path": str(done.made.root),
            "version": done.made.record.version,
            "edits": number,
        }


class _OfSelected(_Verb):
    def ids(self, ctx: Any) -> list[str]:
        """Return the ids, as facedata knows them, of the samples that are selected."""
        chosen = list(ctx.selected)
        return list(ctx.dataset.select(chosen).values("facedata_id")) if chosen else []

    def arguments(self, ctx: Any, form: Any) -> None:
        number = len(ctx.selected)
        if number:
            form.view("chosen", types.Notice(label=f"{number} selected, as they were pushed"))
        else:
            form.view("chosen", types.Warning(label="Select samples first: click their boxes"))


class AugmentSelected(_OfSelected):
    """Attacks and captures made of the selected samples; `facedata augment`."""

    name = "augment_selected"
    label = "facedata: augment selected"
    says = "Make variants of the selected samples, as a new dataset"
    icon = "auto_awesome"
    word = "augmented"

    def arguments(self, ctx: Any, form: Any) -> None:
        from facedata.augment.policy import stock_policies

        super().arguments(ctx, form)
        form.enum("policy", list(stock_policies()), default="mixed", label="Policy")
        form.int("variants", min=1, default=4, label="Variants", description="Of each sample")
        form.int("seed", min=0, default=0, label="Seed")

    def make(self, ctx: Any, state: State, target: Path) -> dict[str, Any]:
        told = augment_selected(
            Path(state.root),
            self.ids(ctx),
            target,
            policy=ctx.params.get("policy") or "mixed",
            variants=int(ctx.params.get("variants") or 4),
            seed=int(ctx.params.get("seed") or 0),
        )
        failed = f", {len(told['failures'])} could not be made" if told["failures"] else ""
        return {**_dataset(told), "said": f"Made {told['made'] + told['cached']} variants{failed}."}


class ReannotateSelected(_OfSelected):
    """Instruction records for the selected samples; `facedata annotate`."""

    name = "reannotate_selected"
    label = "facedata: re-annotate selected"
    says = "Write instruction records for the selected samples, as a new dataset"
    icon = "rate_review"
    word = "annotated"

    def arguments(self, ctx: Any, form: Any) -> None:
        from facedata.annotate.tasks import stock_tasks

        super().arguments(ctx, form)
        form.enum("task", list(stock_tasks()), default=_FIRST_TASK, label="Task")
        form.enum(
            "provider",
            ["rules", *_PAID],
            default="rules",
            label="Provider",
            description="rules asks no model and costs nothing",
        )
        form.str("model", label="Model", description="The model's name, where a model is asked")
        form.float("budget", min=0, default=1.0, label="Budget", description="US dollars, at most")

    def make(self, ctx: Any, state: State, target: Path) -> dict[str, Any]:
        provider = ctx.params.get("provider") or "rules"
        paid = provider in _PAID
        told = annotate_selected(
            Path(state.root),
            self.ids(ctx),
            target,
            task=ctx.params.get("task") or _FIRST_TASK,
            provider=provider,
            model=(ctx.params.get("model") or None) if paid else None,
            budget=float(ctx.params.get("budget") or 0) if paid else None,
        )
        return {**_dataset(told), "said": f"Wrote {told['records']} records."}


_FIRST_TASK = "spoof-reason"
_PAID = ("gemini", "openai")


def _dataset(told: dict[str, Any]) -> dict[str, Any]:
    made = Dataset.open(told["path"])
    return {
        "path": str(made.root),
        "version": made.version,
        "rows": len(made),
        "selected": told["selected"],
    }
