"""facedata annotate au|expression DATASET -o DATASET: commands of the group in annotate.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facedata.cli import options as o
from facedata.cli import show

if TYPE_CHECKING:
    from facedata.annotate.reannotate_run import Kind

__all__ = ["au", "expression"]

_Dataset = Annotated[Path, typer.Argument(help="The folder of a dataset with labels or detections.")]
_Answers = Annotated[
    list[Path] | None,
    typer.Option(help="A dataset with models' answers (code-aus, code-expression); may be repeated."),
]
_Threshold = Annotated[
    float, typer.Option(min=0.5, max=0.999, help="Probability below which people look at a label.")
]
_Reliability = Annotated[
    str | None, typer.Option(help="Shares of right answers, before any are counted: human=0.95,model=0.6.")
]
_ReviewFile = Annotated[
    Path | None, typer.Option("--review", help="CSV of what people are to look at (OUTPUT-review.csv).")
]


def au(
    dataset: _Dataset,
    output: o.Output,
    answers: _Answers = None,
    threshold: _Threshold = 0.9,
    reliability: _Reliability = None,
    review: _ReviewFile = None,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Make one adjudicated label of the action units that people, detectors and models state."""
    _run("au", dataset, output, answers, threshold, reliability, review, overwrite, json_wanted)


def expression(
    dataset: _Dataset,
    output: o.Output,
    answers: _Answers = None,
    threshold: _Threshold = 0.9,
    reliability: _Reliability = None,
    review: _ReviewFile = None,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Make one adjudicated label of the shown expressions that people, detectors and models state."""
    _run("expression", dataset, output, answers, threshold, reliability, review, overwrite, json_wanted)


def _run(
    kind: Kind,
    dataset: Path,
    output: Path,
    answers: list[Path] | None,
    threshold: float,
    reliability: str | None,
    review: Path | None,
    overwrite: bool,
    json_wanted: bool,
) -> None:
    from facedata.annotate.reannotate_run import parse_reliability, reannotate

    review = review or output.with_name(f"{output.name}-review.csv")
    derived, result = reannotate(
        kind,
        dataset,
        answers or (),
        output,
        review,
        threshold=threshold,
        stated=parse_reliability(reliability),
        writing=o.writing(None, False, overwrite),
    )
    derived.details.update(
        questions=dict(sorted(result.counts.items())), reliability=result.reliability, review=str(review)
    )
    counted = ", ".join(f"{count} {name}" for name, count in sorted(result.counts.items()))
    show.derived(derived, json_wanted=json_wanted, told=lambda _: f"{counted}; for review: {review}")
