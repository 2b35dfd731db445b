"""Inputs of single verbs, each made the first time that a round asks for it: small models and datasets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from .harness import Bench

STEPS = 4  # of a training, with a state after each second one


def provide(bench: Bench, name: str) -> None:
    """Make the input `name`, where it is not there."""
    if not (bench.world / name).exists():
        BUILDERS[name](bench)


def _one_thread() -> None:
    """Networks so small gain nothing by more."""
    import torch

    torch.set_num_threads(1)


def _attacks(bench: Bench) -> None:
    from synth_parts import make_attacks

    make_attacks(bench.world / "synth", people=8).rename(bench.world / "attacks")


def _told(**parts: Any) -> dict[str, Any]:
    from synth_parts import TINY

    return {**TINY, "steps": STEPS, "save_every": 2, **parts}


def _synth_model(name: str, dataset: str, **parts: Any) -> Callable[[Bench], None]:
    def build(bench: Bench) -> None:
        from facedata.synth.config import TrainConfig
        from facedata.synth.train import train

        _one_thread()
        provide(bench, dataset)
        train(bench.world / dataset, bench.world / name, TrainConfig.model_validate(_told(**parts)))

    return build


def _judged(bench: Bench) -> None:
    """The network of `model` with its judge."""
    from facedata.cli.synth_gates import judge_trained

    provide(bench, "model")
    shutil.copytree(bench.world / "model", bench.world / "judged")
    judge_trained(bench.world / "judged", bench.world / "attacks")


def _sampled(bench: Bench) -> None:
    """What a network made of faces, beside them: gates that refuse all of it leave the others."""
    for name in ("attacks", "model"):
        provide(bench, name)
    root = bench.world
    bench.make("synth", "sample", root / "attacks", "--model", root / "model", "--style", root / "attacks",
               "--gates", "none", "--limit", "4", "--steps", "1", "-o", root / "made")  # fmt: skip
    bench.make("merge", root / "attacks", root / "made", "-o", root / "sampled")


def _of_kind(name: str, kind: str) -> Callable[[Bench], None]:
    def build(bench: Bench) -> None:
        from facedata.datasets.versions.filter import filter_rows

        provide(bench, "attacks")
        wanted = f"label == 'live' or attack == '{kind}'"
        filter_rows(bench.world / "attacks", wanted, bench.world / name)

    return build


def _fas(bench: Bench) -> None:
    from recipe_parts import domains

    domains(bench.world / "fas-parts").rename(bench.world / "fas")


def _scores(bench: Bench) -> None:
    from facedata.datasets.dataset import Dataset

    provide(bench, "fas")
    rows = Dataset.open(bench.world / "fas").rows(["sample_id", "label"])
    lines = [f"{row['sample_id']},{(number * 37 % 100) / 100}" for number, row in enumerate(rows)]
    (bench.world / "scores.csv").write_text("\n".join(["sample_id,score", *lines]) + "\n")


def _detector(bench: Bench) -> None:
    from recipe_parts import tiny

    from facedata.recipes.fas import train_fas

    _one_thread()
    provide(bench, "fas")
    train_fas(bench.world / "fas", bench.world / "detector", tiny(loop={"steps": 1}))


def _labels(bench: Bench) -> None:
    from label_parts import dataset, people

    dataset(bench.world / "label-parts", people()).rename(bench.world / "labels")


def _asked(bench: Bench) -> None:
    from sft_parts import asked

    asked(bench.world / "sft-parts").rename(bench.world / "asked")


def _tiny_llava(bench: Bench) -> None:
    from sft_parts import make_base

    make_base(bench.world / "tiny-llava")


def _openface(bench: Bench) -> None:
    """A file for each picture of `faces`."""
    faces = bench.world / "faces"
    for number, picture in enumerate(sorted(faces.rglob("*.jpg"))):
        path = bench.world / "openface" / picture.relative_to(faces).with_suffix(".csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"face, confidence, AU12_r, AU12_c\n0, 0.9, {number % 5}, {number % 2}\n")


def _joined(bench: Bench) -> None:
    provide(bench, "openface")
    root = bench.world
    bench.make("join", root / "set", root / "openface", "--kind", "openface", "-o", root / "joined")


def _answered(bench: Bench) -> None:
    """Answers of the server, and the journal that holds them."""
    from .verbs import VERBS

    verb, root = VERBS["annotate, server"], bench.world
    bench.make(*verb.arguments(root)[:-1], root / "answered", env=dict(verb.env))


def _pushed(bench: Bench) -> None:
    """A dataset that was pushed to a database, and edited there."""
    from curate_parts import Fifty, make, rows_of
    from test_curate_pull import changed

    from facedata.curate.fiftyone.push import push

    root = make(bench.world / "pushed")
    fifty = Fifty(bench.database())
    try:
        fifty(push, root)
        for sample_id in list(rows_of(root))[:3]:
            fifty(changed, "facedata-pushed", sample_id, {"label.label": "live", "au.AU12": 4.5})
    finally:
        fifty.close()


def _settings(name: str, told: Callable[[], dict[str, Any]]) -> Callable[[Bench], None]:
    def build(bench: Bench) -> None:
        (bench.world / name).write_text(yaml.safe_dump(told()))

    return build


def _paced(parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    pace = {"steps": STEPS, "dev_every": 2, "save_every": 2, "warmup": 0}
    return {**parts, **more, "loop": {**parts["loop"], **pace}}


def _label_settings(expression: float, units: float) -> dict[str, Any]:
    from label_parts import TINY

    return _paced(TINY, losses={"expression": expression, "units": units})


def _fas_settings() -> dict[str, Any]:
    from recipe_parts import TINY

    return _paced(TINY)


def _sft_settings() -> dict[str, Any]:
    pace = {"steps": STEPS, "batch": 2, "rate": 0.01, "warmup": 0, "dev_every": 2}
    return {"lora": {"rank": 4}, "loop": pace}


BUILDERS: dict[str, Callable[[Bench], None]] = {
    "attacks": _attacks,
    "model": _synth_model("model", "attacks", steps=1),
    "judged": _judged,
    "cleaner": _synth_model("cleaner", "attacks", steps=1, task="despoof"),
    "sampled": _sampled,
    "synth.yaml": _settings("synth.yaml", _told),
    "old-kind": _of_kind("old-kind", "print/paper"),
    "new-kind": _of_kind("new-kind", "replay/lcd"),
    "old-kind-model": _synth_model("old-kind-model", "old-kind", steps=1),
    "adapter.yaml": _settings("adapter.yaml", lambda: _told(lora={"rank": 2})),
    "fas": _fas,
    "fas.yaml": _settings("fas.yaml", _fas_settings),
    "scores.csv": _scores,
    "detector": _detector,
    "labels": _labels,
    "fer.yaml": _settings("fer.yaml", lambda: _label_settings(1.0, 0.0)),
    "au.yaml": _settings("au.yaml", lambda: _label_settings(0.0, 1.0)),
    "asked": _asked,
    "tiny-llava": _tiny_llava,
    "sft.yaml": _settings("sft.yaml", _sft_settings),
    "openface": _openface,
    "joined": _joined,
    "answered": _answered,
    "answers.sqlite": _answered,
    "pushed": _pushed,
}
"""The inputs that are not there from the beginning, by their names in the folder of the inputs."""
