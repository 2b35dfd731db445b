"""The verbs that write, each with the command that goes on after a fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_OUT = ("-o", "out")
_RESUME, _AGAIN = ("--resume",), ("--overwrite",)


@dataclass(frozen=True)
class Verb:
    """A verb that writes `out`; `{}` in an argument is the folder of the inputs, and `output` names `out`.

    `go_on` is what is added to go on after a fault. `reads` is the dataset whose damage it meets. `workers`
    says that worker processes do the work, `journal` that answers are paid for and kept. `makes` says what
    stands at the target: a `tree`, whole or not at all; `files`, each whole or not at all; or a `model`,
    which trains in its place and says at its end that it is finished. `early` are modules that a run imports
    before a fault can meet it: those that no fork may share. `code` is the exit code of an untouched run.
    """

    name: str
    argv: tuple[str, ...]
    go_on: tuple[str, ...] = _RESUME
    reads: str = ""
    workers: bool = False
    journal: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    makes: Literal["tree", "files", "model"] = "tree"
    output: tuple[str, ...] = _OUT
    early: tuple[str, ...] = ()
    code: int = 0

    def arguments(self, world: Path, *more: str) -> list[str]:
        """Return the whole command line, without the command's name."""
        return [one.replace("{}", str(world)) for one in (*self.argv, *self.output, *more)]

    @property
    def needs(self) -> list[str]:
        """The inputs that it names, by their names in the folder of the inputs."""
        return re.findall(r"\{\}/([\w.-]+)", " ".join(self.argv))


_MAKING = ("--variants", "2", "--seed", "7", "--no-cache")
_SYNTH = ("--steps", "2", "--device", "cpu")
_DATASETS = (
    Verb("ingest folder", ("ingest", "folder", "{}/faces")),
    Verb("ingest list", ("ingest", "list", "{}/faces/list.csv", "--layout", "shards")),
    Verb("augment", ("augment", "{}/set", "--policy", "fas-aug", *_MAKING), reads="set"),
    Verb(
        "augment, 2 workers",
        ("augment", "{}/packed", "--policy", "fas-aug", *_MAKING, "--layout", "shards", "--engine", "process",
         "--workers", "2"),
        reads="packed",
        workers=True,
    ),
    Verb("annotate, rules", ("annotate", "--task-file", "{}/task.yaml", "{}/set"), _AGAIN, reads="set"),
    Verb(
        "annotate, server",
        ("annotate", "--task-file", "{}/task.yaml", "{}/packed", "--provider", "openai", "--model", "m",
         "--base-url", "{URL}", "--concurrency", "4", "--journal", "answers.sqlite"),
        _AGAIN,
        reads="packed",
        journal=True,
        env={"OPENAI_API_KEY": "sk-faults-0123456789"},
    ),
    Verb("edit", ("edit", "{}/set", "{}/edits.csv"), reads="set"),
    Verb("split", ("split", "{}/packed", "--by", "source", "--ratios", "train=0.7,test=0.3"), reads="packed"),
    Verb("filter", ("filter", "{}/packed", 'label == "live"', "--layout", "files"), reads="packed"),
    Verb("merge", ("merge", "{}/set", "{}/other", "--prefer", "last", "--layout", "shards"), reads="set"),
    Verb("sample", ("sample", "{}/packed", "9"), reads="packed"),
    Verb("export folder", ("export", "{}/packed", "--to", "folder"), _AGAIN, reads="packed"),
    Verb("export webdataset", ("export", "{}/set", "--to", "webdataset"), _AGAIN, reads="set"),
    Verb("export huggingface", ("export", "{}/packed", "--to", "huggingface"), _AGAIN, reads="packed"),
    Verb("join", ("join", "{}/set", "{}/openface", "--kind", "openface"), reads="set"),
    Verb("maps", ("maps", "{}/set", "--kind", "grey,lbp"), reads="set"),
    Verb("annotate au", ("annotate", "au", "{}/joined"), _AGAIN, reads="joined"),
    Verb("rebuild, augment", ("rebuild", "{}/augmented", "--input", "{}/set"), _AGAIN, reads="set"),
    Verb(
        "rebuild, annotate",
        ("rebuild", "{}/answered", "--input", "{}/packed", "--answers", "{}/answers.sqlite"),
        _AGAIN,
        reads="packed",
    ),
    Verb("curate pull", ("curate", "pull", "{}/pushed", "--author", "ada"), early=("fiftyone",)),
    Verb(
        "synth sample",
        ("synth", "sample", "{}/attacks", "--model", "{}/model", "--style", "{}/attacks", "--gates", "none",
         "--limit", "8", *_SYNTH),
    ),
    Verb("synth despoof", ("synth", "despoof", "{}/attacks", "--model", "{}/cleaner", *_SYNTH)),
    Verb("synth gates", ("synth", "gates", "{}/sampled", "--model", "{}/judged")),
)  # fmt: skip

_TRAINED = (
    Verb("synth train", ("synth", "train", "{}/attacks", "--config", "{}/synth.yaml"), makes="model"),
    Verb(
        "synth train, adapter",
        ("synth", "train", "{}/new-kind", "--config", "{}/adapter.yaml", "--base", "{}/old-kind-model"),
        makes="model",
    ),
    Verb("train fas", ("train", "fas", "{}/fas", "--config", "{}/fas.yaml"), reads="fas", makes="model"),
    Verb(
        "train fer", ("train", "fer", "{}/labels", "--config", "{}/fer.yaml"), reads="labels", makes="model"
    ),
    Verb("train au", ("train", "au", "{}/labels", "--config", "{}/au.yaml"), makes="model"),
    Verb(
        "train sft",
        ("train", "sft", "{}/asked", "--model", "{}/tiny-llava", "--config", "{}/sft.yaml"),
        makes="model",
    ),
)

_PAGES = (
    Verb("report", ("report", "{}/augmented"), (), makes="files"),
    Verb(
        "report, metrics and plots",
        ("report", "{}/augmented"),
        (),
        makes="files",
        output=("--metrics", "out/metrics.json", "--plots", "out"),
    ),
    Verb(
        "audit",
        ("audit", "{}/set", "--no-cache", "--workers", "1"),
        (),
        makes="files",
        output=(*_OUT, "--html", "out/page.html"),
    ),
    Verb("eval, scores", ("eval", "{}/fas", "--scores", "{}/scores.csv", "--draws", "20"), (), makes="files"),
    Verb("eval, model", ("eval", "{}/fas", "--model", "{}/detector", "--draws", "20"), (), makes="files"),
    Verb(
        "annotate score",
        ("annotate", "score", "{}/answered", "{}/answered", "--draws", "20"),
        (),
        makes="files",
    ),
    Verb(
        "diff, picture",
        ("diff", "{}/set", "{}/augmented"),
        (),
        makes="files",
        output=("--picture", "out/diff.png"),
        code=4,
    ),
    Verb("init", ("init", "--from", "demo"), (), makes="files", output=("out",)),
    Verb(
        "curate install-plugin", ("curate", "install-plugin"), (), makes="files", output=("--folder", "out")
    ),
)

VERBS = {verb.name: verb for verb in (*_DATASETS, *_TRAINED, *_PAGES)}
