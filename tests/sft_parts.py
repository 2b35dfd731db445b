"""A tiny vision-language model that can end an answer, and small instruction sets, to test train sft with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from annotate_parts import facedata, write_task
from recipe_parts import listed
from test_annotate_transformers import CHAT, model

from facedata.recipes.sft.config import SftConfig

__all__ = ["ANSWERED", "asked", "base", "model", "tiny"]

QUESTION = "Live?"
ANSWERED = {"live": '{"label": "live"}', "spoof": '{"label": "spoof"}'}
TASK = {
    "prompt": QUESTION,
    "response": {
        "type": "object",
        "additionalProperties": False,
        "required": ["label"],
        "properties": {"label": {"enum": ["live", "spoof"]}},
    },
    "rules": '{"label": {{ evidence.label.value | json }}}',
    "turns": [{"ask": [QUESTION], "answer": "{{ response | json }}"}],
}
"""A task whose conversation is its own prompt and answer: what learned it can be asked by annotate."""


@pytest.fixture(scope="module")
def base(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny LLaVA with a chat template that ends answers, and letters that come out without gaps."""
    root: Path = tmp_path_factory.mktemp("base") / "tiny-llava"
    shutil.copytree(model, root)
    chat = CHAT.replace(
        "{% endfor %}\n{% endfor %}",
        "{% endfor %}{% if message.role == 'assistant' %}</s>{% endif %}\n{% endfor %}",
    )
    assert chat != CHAT
    (root / "chat_template.jinja").write_text(chat)
    told = json.loads((root / "tokenizer.json").read_text())
    (root / "tokenizer.json").write_text(json.dumps({**told, "decoder": {"type": "Fuse"}}))
    return root


def asked(root: Path, people: int = 6, dev: int = 2, *more: dict[str, Any], **task: Any) -> Path:
    """A dataset of `people`, live and attacked, the last `dev` of them in the split val, with a record each.

    `more` are further rows, over what a row is by default.
    """
    rows = []
    for person in range(people):
        for label in ("live", "spoof"):
            split = "train" if person < people - dev else "val"
            rows.append(row(person, label, split))
    rows += [{**row(people, "live", "test"), **one} for one in more]
    listed(root / "source", rows)
    write_task(root / "task.yaml", **{**TASK, **task})
    arguments = ("--task-file", "task.yaml", "source/dataset", "--provider", "rules", "-o", "asked")
    facedata(*arguments, cwd=root)
    return root / "asked"


def row(person: int, label: str, split: str) -> dict[str, Any]:
    """One row of `asked`."""
    attack = "" if label == "live" else "print/laser"
    told = {"label": label, "attack": attack, "subject": f"p{person}", "split": split}
    return {**told, "person": person, "number": 0, "place": 0}


def tiny(**loop: Any) -> SftConfig:
    """A short run."""
    pace = {"steps": 6, "batch": 2, "accumulate": 2, "rate": 0.01, "warmup": 0, "dev_every": 2}
    return SftConfig.model_validate({"lora": {"rank": 4, "dropout": 0.2}, "loop": {**pace, **loop}})
