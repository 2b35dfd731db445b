"""The forms of instruction data that trainers read; each follows the published rules of its reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facedata.datasets.exports.instructions import Box, Instructions, plain, with_boxes
from facedata.datasets.instructions import Record, Turn
from facedata.datasets.record import write_text

__all__ = ["LlamaFactory", "Llava", "MsSwift", "QwenVl", "ShareGpt", "Trl"]

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


def _marked(turn: Turn, text: str) -> str:
    """Return a turn's text after an `<image>` for each of its pictures."""
    return "<image>\n" * sum(part.image is not None for part in turn.content) + text


def _from_value(record: Record, *, system: bool) -> list[dict[str, str]]:
    """Return the turns as from and value; without `system` its text opens the first question."""
    turns = [
        {"from": _FROM[turn.role], "value": _marked(turn, plain(turn.text()))} for turn in record.messages
    ]
    return turns if system else _folded(turns)


def _folded(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(turns) < 2 or turns[0]["from"] != "system":
        return turns
    said, asked, *rest = turns
    marks = asked["value"].count("<image>\n") * "<image>\n"
    value = f"{marks}{said['value']}\n{asked['value'].removeprefix(marks)}"
    return [{"from": "human", "value": value}, *rest]


def _image_or_images(images: Sequence[str]) -> dict[str, Any]:
    return {"image": images[0]} if len(images) == 1 else {"images": list(images)}


class Llava(Instructions):
    """`image` and `conversations` of `from` and `value`, `<image>` where the picture goes."""

    name = "llava"
    title = "instructions as LLaVA trains on them: image, conversations"
    loading = "LLaVA: `--data_path SPLIT.json --image_folder .`, from this folder."

    def conversation(self, record: Record, images: Sequence[str]) -> dict[str, Any]:
        """Return one entry."""
        return {**_image_or_images(images), "conversations": _from_value(record, system=False)}


class ShareGpt(Instructions):
    """`conversations` of `from` and `value`, and `images`."""

    name = "sharegpt"
    title = "instructions in the ShareGPT form: conversations, images"
    loading = 'ShareGPT: `datasets.load_dataset("json", data_files="SPLIT.json")`.'

    def conversation(self, record: Record, images: Sequence[str]) -> dict[str, Any]:
        """Return one entry."""
        return {"conversations": _from_value(record, system=True), "images": list(images)}


class LlamaFactory(ShareGpt):
    """The ShareGPT form with dataset_info.json, which names columns and tags."""

    name = "llama-factory"
    title = "instructions for LLaMA-Factory: ShareGPT with dataset_info.json"
    loading = "LLaMA-Factory: `dataset_dir: .` and `dataset: facedata_SPLIT`, from this folder."

    def extras(self, tree: Path, files: Mapping[str, str]) -> None:
        """Write dataset_info.json."""
        tags = {"role_tag": "from", "content_tag": "value"}
        tags |= {"user_tag": "human", "assistant_tag": "gpt", "system_tag": "system"}
        info = {
            f"facedata_{split}": {
                "file_name": file,
                "formatting": "sharegpt",
                "columns": {"messages": "conversations", "images": "images"},
                "tags": tags,
            }
            for split, file in files.items()
        }
        write_text(tree / "dataset_info.json", json.dumps(info, indent=2) + "\n")


class QwenVl(Instructions):
    """LLaVA's form with boxes as Qwen2.5-VL takes them: corners in whole absolute pixels."""

    name = "qwen-vl"
    title = "instructions for Qwen-VL's finetuning code; boxes as [x1, y1, x2, y2] in pixels"
    loading = (
        "Qwen-VL: an entry of `data_dict` with `annotation_path` SPLIT.json and `data_path` this folder."
    )

    def conversation(self, record: Record, images: Sequence[str]) -> dict[str, Any]:
        """Return one entry."""

        def corners(box: Box) -> str:
            return json.dumps([round(value) for value in box])

        turns = [
            {"from": _FROM[turn.role], "value": _marked(turn, text)}
            for turn, text in with_boxes(record, corners, r"\1 [x1, y1, x2, y2] in pixels")
        ]
        return {**_image_or_images(images), "conversations": _folded(turns)}


class MsSwift(Instructions):
    """`messages`, `images`, and `objects` for the boxes, which ms-swift scales as each model wants.

    A `<ref-object>` stands for the name of a box where the text has it right before the box, as for the parts
    of a face; the box of an attack's medium has no such name, and `ref` is empty then, as the rules allow.
    """

    name = "ms-swift"
    title = (
        "instructions for ms-swift: messages, images, objects; marks in the text for boxes and their names"
    )
    lines = True
    loading = "ms-swift: `swift sft --dataset SPLIT.jsonl`, from this folder."

    def conversation(self, record: Record, images: Sequence[str]) -> dict[str, Any]:
        """Return one line."""
        boxes: list[list[float]] = []
        names: list[str] = []

        def name(word: str) -> str:
            names.append(word)
            return "<ref-object>"

        def mark(box: Box) -> str:
            boxes.append([round(value, 2) for value in box])
            return "<bbox>"

        messages = [
            {"role": turn.role, "content": _marked(turn, text).replace("<image>\n", "<image>")}
            for turn, text in with_boxes(record, mark, "", name)
        ]
        values: dict[str, Any] = {"messages": messages, "images": list(images)}
        if boxes:
            values["objects"] = {"ref": names, "bbox": boxes, "bbox_type": "real"}
        return values


class Trl(Instructions):
    """`messages` of typed parts and `images`: text content would move every picture into the first turn."""

    name = "trl"
    title = "instructions for TRL: messages of typed content parts, images"
    lines = True
    loading = """```python
from pathlib import Path
from datasets import Image, List, load_dataset

rows = load_dataset("json", data_files="SPLIT.jsonl", split="train")
rows = rows.map(lambda row: {"images": [str(Path(path).resolve()) for path in row["images"]]})
rows = rows.cast_column("images", List(Image()))
```"""

    def conversation(self, record: Record, images: Sequence[str]) -> dict[str, Any]:
        """Return one line."""
        messages = []
        for turn in record.messages:
            parts: list[dict[str, str]] = [
                {"type": "image"}
                if part.image is not None
                else {"type": "text", "text": plain(part.text or "")}
                for part in turn.content
            ]
            messages.append({"role": turn.role, "content": parts})
        return {"messages": messages, "images": list(images)}
