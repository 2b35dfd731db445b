"""The kinds of export there are.

A new one is a module with an `Exporter` and a line here; it is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module

from facedata.datasets.errors import UsageError
from facedata.datasets.exports.base import Exporter

__all__ = ["INSTRUCTION_KINDS", "KINDS", "SAMPLE_KINDS", "find_kind", "hub_kinds"]

SAMPLE_KINDS = {
    "huggingface": "huggingface:HuggingFace",
    "folder": "folder:Folder",
    "webdataset": "webdataset:WebDataset",
    "list": "lists:Lists",
}
"""Kinds that any dataset can be written as."""

INSTRUCTION_KINDS = {
    "llava": "chat:Llava",
    "llama-factory": "chat:LlamaFactory",
    "ms-swift": "chat:MsSwift",
    "trl": "chat:Trl",
    "qwen-vl": "chat:QwenVl",
    "sharegpt": "chat:ShareGpt",
}
"""Kinds for datasets with instructions."""

KINDS = {**SAMPLE_KINDS, **INSTRUCTION_KINDS}
"""Where each kind is, by the name that `--to` takes: `module:class`."""


def find_kind(name: str) -> Exporter:
    """Return the exporter of that name, or raise UsageError listing those there are."""
    if name not in KINDS:
        raise UsageError(f"no export {name!r}; there are {', '.join(KINDS)}")
    module, _, found = KINDS[name].partition(":")
    exporter: Exporter = getattr(import_module(f"facedata.datasets.exports.{module}"), found)()
    return exporter


def hub_kinds() -> list[str]:
    """Return the kinds that can be pushed to the hub."""
    return [name for name in KINDS if find_kind(name).hub]
