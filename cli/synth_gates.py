"""facedata synth gates, and what synth sample asks before it samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facedata.cli import options as o
from facedata.cli import show
from facedata.cli.needs import need_packages

if TYPE_CHECKING:
    from facedata.synth.gates.again import Kept
    from facedata.synth.gates.judge import Judge

__all__ = ["Detector", "Training", "find_judge", "gates", "judge_trained", "need_libraries", "screened"]

Training = Annotated[
    Path | None,
    typer.Option(help="The dataset that the model was trained on: fit the gates on it anew."),
]
Detector = Annotated[
    str, typer.Option(help="Face detector: cascade, or the path of an ONNX file, as in facedata ingest.")
]
_TEXT = ("tokenizer", "text_encoder")


def gates(
    dataset: Annotated[Path, typer.Argument(help="A dataset that facedata synth sample made.")],
    model: Annotated[Path, typer.Option("--model", help="The model that made it, with its judge.")],
    output: o.Output,
    style: Annotated[Path | None, typer.Option(help="The dataset of its styles: for quality.")] = None,
    content: Annotated[Path | None, typer.Option(help="The dataset of its live faces.")] = None,
    training: Training = None,
    embedder: Annotated[
        str, typer.Option(help="With --training: who tells people apart, as in facedata audit.")
    ] = "plain",
    detector: Detector = "cascade",
    layout: Annotated[o.Layout | None, typer.Option(help="As the input's, if left out.")] = None,
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json_wanted: o.Json = False,
) -> None:
    """Judge sampled pictures again: a version without those that a gate refuses, with all scores.

    Exit code 0 also where some were refused: that is what gates are for. 1 where none is left.
    """
    need_libraries()
    from facedata.datasets.versions.derive import Writing
    from facedata.synth.gates.again import judge_again

    judge = find_judge(model, training, detector, embedder)
    read = [one for one in (content, style) if one is not None]
    with show.progress("synth gates") as bar:
        result, kept = judge_again(
            dataset,
            judge,
            output,
            read=list(dict.fromkeys(read)),
            writing=Writing(layout.value if layout else None, resume=resume, overwrite=overwrite),
            progress=bar,
        )
    told = {**result.details, "fingerprint": fingerprint(kept, judge), "known": judge.about.known}
    if json_wanted:
        show.as_json({**show.summary(result.record, result.root), **told})
    else:
        show.echo(_lines(told))
        show.echo(f"version  {result.record.version}\ndataset  {result.root}")
    if show.faults(result.record):
        raise typer.Exit(show.PARTLY)


def _lines(told: dict[str, Any]) -> str:
    refused = told.get("refused") or {}
    lines = [f"judged {told.get('judged', 0)}, refused {sum(refused.values())} ({show.counted(refused)})"]
    if told.get("kid"):
        kid = told["kid"]
        lines.append(
            f"to real   FID {told['fid']:.4f}, KID {kid['value']:.6f} +- {kid['error']:.6f} "
            f"on {told['features']}"
        )
    lines.append(f"trace     {told['fingerprint']['said']}")
    return "\n".join(lines)


def find_judge(model: Path, training: Path | None, detector: str, embedder: str = "plain") -> Judge:
    """Return the judge beside a model, or one that is fitted now on `training`, which then stands there."""
    from facedata.datasets.dataset import Dataset
    from facedata.synth.config import Pairing
    from facedata.synth.gates.fit import fit_judge
    from facedata.synth.gates.judge import JUDGE_NAME, Judge
    from facedata.synth.load import read_card

    card = read_card(model)
    if training is not None:
        config = card["config"]
        side = int(config["network"]["resolution"])
        found = fit_judge(
            Dataset.open(training), Pairing.model_validate(config["pairs"]), side, embedder=embedder
        )
        found.save(model / JUDGE_NAME)
    return Judge.load(model / JUDGE_NAME, detector)


def fingerprint(kept: Kept, judge: Judge) -> dict[str, Any]:
    """Return how well a linear model tells what the network made from the attacks that it learned from.

    It is the audit `shortcut` on attacks of physics and of the network, at one size: people and families are
    kept whole.
    """
    import numpy as np
    import pandas as pd

    from facedata.curate.audit.base import Rows
    from facedata.curate.audit.shortcut import ShortcutThresholds, shortcut

    made = [(one.sample_id, one.subject, one.attack, "synth-diffusion") for one in kept.samples if one.attack]
    real = [(name, subject, kind, None) for name, subject, kind in judge.about.training]
    vectors = [
        vector for one, vector in zip(kept.samples, kept.embeddings, strict=True) if one.attack is not None
    ]
    if not made:
        return {"said": "nothing was made that could be told apart", "auc": {}}
    frame = pd.DataFrame([*made, *real], columns=["sample_id", "person", "attack", "operator"])
    frame["label"], frame["domain"], frame["family"] = "spoof", None, frame["sample_id"]
    frame = frame.astype(object).where(frame.notna(), None)
    embeddings = np.concatenate([np.stack(vectors), judge.arrays["training"].astype(np.float32)])
    outcome = shortcut(Rows(frame, embeddings), ShortcutThresholds.model_validate({}))
    return {
        "verdict": outcome.verdict,
        "said": outcome.said,
        "auc": dict(outcome.numbers.get("auc", {})),
    }


def screened(model: Path) -> str:
    """Return what the backdoor screen says of a model; raise UsageError where it finds a backdoor.

    It reads the attention of words, so a pipeline without a text has nothing to be screened.
    """
    from facedata.datasets.errors import UsageError

    try:
        parts = json.loads((model / "model_index.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "no model_index.json, so no text to screen for backdoors"
    if not any(parts.get(name) for name in _TEXT):
        return "the model reads no text, so there are no words to hide a backdoor in: not screened"
    from facedata.curate.audit.checkpoint import audit_checkpoint

    answer, _ = audit_checkpoint(model)
    if answer.outcome.verdict == "fail":
        raise UsageError(f"{model}: {answer.outcome.said}")
    return answer.outcome.said


def judge_trained(model: Path, dataset: Path) -> str | None:
    """Fit the gates on what a model was trained on; return why that cannot be, None where it was done."""
    from facedata.datasets.errors import SourceError

    try:
        find_judge(model, dataset, "cascade")
    except SourceError as error:
        return str(error)
    return None


def need_libraries() -> None:
    """Raise UsageError naming the libraries of synthesis that are not installed."""
    need_packages("synth", "synth", ("torch", "diffusers", "accelerate", "safetensors"))
