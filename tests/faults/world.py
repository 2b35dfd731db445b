"""Inputs of a few dozen small pictures, and the verbs that make something of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

TASK = """\
name: tell
version: 1
about: Whether the face is live.
source: the faults
needs: [label]
prompt: Is this face live or a spoof? Say why.
response:
  type: object
  additionalProperties: false
  required: [label, words]
  properties: {label: {enum: [live, spoof]}, words: {type: string}}
rules: '{"label": {{ evidence.label.value | json }}, "words": {{ pick("So", "Thus") | json }}}'
turns:
  - ask: ["Live?"]
    answer: "{{ response.label }}: {{ response.words }}"
checks: [{rule: schema}]
"""


@dataclass(frozen=True)
class Verb:
    """A verb that writes `out`; `{}` in an argument is the folder of the inputs.

    `go_on` is what is added to go on after a fault. `reads` is the dataset whose damage it meets. `workers`
    says that worker processes do the work, `journal` that answers are paid for and kept.
    """

    name: str
    argv: tuple[str, ...]
    go_on: tuple[str, ...] = ("--resume",)
    reads: str = ""
    workers: bool = False
    journal: bool = False
    env: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, world: Path, *more: str) -> list[str]:
        """Return the whole command line, without the command's name."""
        return [one.replace("{}", str(world)) for one in (*self.argv, "-o", "out", *more)]


_MAKING = ("--variants", "2", "--seed", "7", "--no-cache")
_AGAIN = ("--overwrite",)
_ALL = (
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
    Verb(
        "synth sample",
        ("synth", "sample", "{}/attacks", "--model", "{}/model", "--style", "{}/attacks", "--gates", "none",
         "--steps", "2", "--limit", "8", "--device", "cpu"),
    ),
)  # fmt: skip
VERBS = {verb.name: verb for verb in _ALL}


def make_pictures(root: Path, count: int) -> None:
    """Write `count` JPEG pictures, two thirds of them live, and a list of them."""
    lines = ["path,label,subject"]
    for number in range(count):
        label = "spoof" if number % 3 == 0 else "live"
        y, x = np.mgrid[0:40, 0:48]
        u, v = x / (3 + number % 7), y / (4 + number % 5)
        waves = [np.sin(u + channel) + np.cos(v - channel * number) for channel in range(3)]
        pixels = np.clip(128 + 60 * np.stack(waves, axis=2), 0, 255).astype(np.uint8)
        path = root / label / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
        lines.append(f"{label}/{number:03d}.jpg,{label},p{number % 8}")
    (root / "list.csv").write_text("\n".join(lines) + "\n")


def write_texts(root: Path) -> None:
    """Write the task, and edits of the dataset `set`."""
    import pyarrow.parquet as pq

    (root / "task.yaml").write_text(TASK)
    rows = pq.read_table(root / "set" / "samples.parquet", columns=["sample_id", "label"]).to_pylist()
    live = [row["sample_id"] for row in rows if row["label"] == "live"][:5]
    lines = ["sid,field,old,new,author,time,message", *(f"{sid},domain,,studio,ada,," for sid in live)]
    (root / "edits.csv").write_text("\n".join(lines) + "\n")


def write_model(root: Path) -> None:
    """Train a small network of synthesis for one step, and make the dataset it attacks."""
    import torch
    from synth_parts import make_attacks, tiny

    from facedata.synth.train import train

    torch.set_num_threads(1)  # so small a network gains nothing by more
    made = make_attacks(root / "synth", people=8)
    made.rename(root / "attacks")
    train(root / "attacks", root / "model", tiny(steps=1))


def answer(method: str, path: str, body: object) -> dict[str, object]:
    """Return what the loopback server says to every request."""
    del method, path, body
    words = json.dumps({"label": "live", "words": "No sign of a medium."})
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}
    usage = {"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "usage": usage}
