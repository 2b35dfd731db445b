"""A tiny vision-language model that can end an answer, and small instruction sets, to test train sft with."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from typing import Any

import pytest
import torch
from annotate_parts import facedata, write_task
from recipe_parts import listed
from test_annotate_transformers import CHAT, make_model, model
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.recipes.sft.config import SftConfig

__all__ = ["ANSWERED", "TASK", "asked", "base", "even", "faces", "model", "reads_videos", "sft", "tiny"]

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
    return _ended(shutil.copytree(model, tmp_path_factory.mktemp("base") / "tiny-llava"))


def make_base(root: Path) -> Path:
    """Write what the fixture `base` gives."""
    return _ended(make_model(root))


def _ended(root: Path) -> Path:
    (root / "chat_template.jinja").write_text(_chat(ends="</s>"))
    told = json.loads((root / "tokenizer.json").read_text())
    (root / "tokenizer.json").write_text(json.dumps({**told, "decoder": {"type": "Fuse"}}))
    return root


@pytest.fixture(scope="module")
def reads_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2-VL of one layer a side, as its folders on the hub are: with a processor of videos."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    root: Path = tmp_path_factory.mktemp("tiny-qwen2-vl")
    marks = [
        "<|endoftext|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    ids = {word: number for number, word in enumerate(["<unk>", *marks, *string.printable])}
    ends = {"eos_token": marks[1], "pad_token": marks[0]}
    unknown = {"unk_token": "<unk>"}
    letters = Tokenizer(models.WordLevel(ids, **unknown))
    letters.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    letters.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(
        tokenizer_object=letters, **unknown, **ends, additional_special_tokens=marks
    ).save_pretrained(root)
    Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 56).save_pretrained(root)
    chat = _chat(ends="<|im_end|>").replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    (root / "chat_template.jinja").write_text(chat)
    layers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    turn = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    words = {**layers, "num_key_value_heads": 1, "vocab_size": len(ids), "rope_parameters": turn}
    config = Qwen2VLConfig(
        text_config={**words, "bos_token_id": ids[marks[0]], "eos_token_id": ids[marks[1]]},
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2},
        vision_start_token_id=ids[marks[2]],
        vision_end_token_id=ids[marks[3]],
        image_token_id=ids[marks[4]],
        video_token_id=ids[marks[5]],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        Qwen2VLForConditionalGeneration(config).save_pretrained(root)
    return root


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of six people."""
    return asked(tmp_path_factory.mktemp("faces"))


def _chat(ends: str) -> str:
    """The chat template of the tiny LLaVA, with a token that ends answers."""
    last = "{% endfor %}\n{% endfor %}"
    assert last in CHAT
    return CHAT.replace(
        last, f"{{% endfor %}}{{% if message.role == 'assistant' %}}{ends}{{% endif %}}\n{{% endfor %}}"
    )


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


def even() -> SftConfig:
    """Four steps of four answers without dropout, looked at each time."""
    config = tiny(steps=4, dev_every=1, batch=4)
    return config.model_copy(update={"lora": config.lora.model_copy(update={"dropout": 0.0})})


def tiny(**loop: Any) -> SftConfig:
    """A short run."""
    pace = {"steps": 6, "batch": 2, "accumulate": 2, "rate": 0.01, "warmup": 0, "dev_every": 2}
    return SftConfig.model_validate({"lora": {"rank": 4, "dropout": 0.2}, "loop": {**pace, **loop}})


def sft(*arguments: Any, code: int = 0) -> Any:
    """Run the command in this process."""
    done = CliRunner().invoke(app, ["train", "sft", *map(str, arguments)])
    assert done.exit_code == code, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done
