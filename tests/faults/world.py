"""The inputs that all rounds share: a few dozen small pictures, a task, edits, and what a server says."""

from __future__ import annotations

import json
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


def answer(method: str, path: str, body: object) -> dict[str, object]:
    """Return what the loopback server says to every request."""
    del method, path, body
    words = json.dumps({"label": "live", "words": "No sign of a medium."})
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}
    usage = {"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "usage": usage}
