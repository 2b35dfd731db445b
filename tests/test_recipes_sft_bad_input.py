"""facedata train sft: what is refused, and what is said of it."""

from __future__ import annotations

import importlib.util
import shutil

import huggingface_hub
import pytest
from recipe_parts import one_thread
from sft_parts import asked, base, faces, model, sft, tiny

from facedata.annotate.providers import local
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, SourceError, TargetError, UsageError
from facedata.recipes.sft.answers import choose_answers
from facedata.recipes.sft.config import AnswersConfig, LoraConfig
from facedata.recipes.sft.run import train_sft

__all__ = ["base", "faces", "model", "one_thread"]


@pytest.fixture(scope="module")
def made(faces, base, tmp_path_factory):
    """An adapter of two steps."""
    root = tmp_path_factory.mktemp("made") / "adapter"
    train_sft(faces, root, str(base), tiny(steps=2))
    return root


def test_another_run_does_not_go_on(faces, base, made, tmp_path):
    shutil.copytree(made, tmp_path / "adapter")
    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "base/config.json").write_text((base / "config.json").read_text() + "\n")
    for path, config, said in (
        (base, tiny(steps=2, seed=1), r"another loop\.seed \(0, not 1\)"),
        (base, tiny().model_copy(update={"lora": LoraConfig(rank=2)}), r"another lora\.rank"),
        (tmp_path / "base", tiny(), "another base"),
    ):
        with pytest.raises(TargetError, match=said):
            train_sft(faces, tmp_path / "adapter", str(path), config, resume=True)
    with pytest.raises(TargetError, match="is not empty; choose another -o, --resume or --overwrite"):
        train_sft(faces, tmp_path / "adapter", str(base), tiny())


@pytest.mark.parametrize("name", ["trainer_state.json", "optimizer.safetensors", local.ADAPTER_WEIGHTS])
def test_a_state_that_is_damaged_is_named(faces, base, made, tmp_path, name):
    shutil.copytree(made, tmp_path / "adapter")
    state = tmp_path / "adapter/states/checkpoint-2" / name
    data = state.read_bytes()
    state.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(DatasetError, match=r"checkpoint-2 cannot be read .* go on from the state before"):
        train_sft(faces, tmp_path / "adapter", str(base), tiny(), resume=True)


def test_bases_that_cannot_be_taught(faces, base, made, tmp_path):
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    for name in ("pickled", "mute", "torn"):
        shutil.copytree(base, tmp_path / name)
    (tmp_path / "pickled/model.safetensors").rename(tmp_path / "pickled/pytorch_model.bin")
    (tmp_path / "mute/chat_template.jinja").unlink()
    (tmp_path / "torn/model.safetensors").write_bytes(b"torn")
    words = LlamaConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    LlamaForCausalLM(words).save_pretrained(tmp_path / "words")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "words")
    for path, said in (
        (tmp_path / "pickled", "has no safetensors, and loading a pickle could run code"),
        (tmp_path / "mute", "mute has no chat template"),
        (tmp_path / "torn", "torn cannot be loaded as a vision-language model"),
        (tmp_path / "words", "words cannot be loaded as a vision-language model"),
        (made, "is an adapter already; give its base"),
        (tmp_path, r"it has no config\.json"),
        (tmp_path / "nothing", "nothing is no folder; give the folder of a model, or a name on the hub"),
    ):
        with pytest.raises(UsageError, match=said):
            train_sft(faces, tmp_path / "adapter", str(path), tiny())
    wrong = tiny().model_copy(update={"lora": LoraConfig(layers=("nowhere",))})
    with pytest.raises(UsageError, match=r"lora\.layers: .* cannot be had of tiny-llava"):
        train_sft(faces, tmp_path / "adapter", str(base), wrong)
    assert not (tmp_path / "adapter").exists()


def test_a_hub_that_cannot_be_reached(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="nobody/no-model is no folder and could not be had from the hub"):
        train_sft(faces, tmp_path / "adapter", "nobody/no-model", tiny())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"status": ("review",)}, r"no record of asked has the status review; there are 6 accept"),
        ({"task": ("other",)}, r"rows\.task: no records of 'other' in asked; its tasks are tell"),
        ({"hold_out": ("moon",)}, r"rows\.hold_out: no domain 'moon' in asked"),
    ],
)
def test_records_that_are_not_there(tmp_path, config, said):
    with pytest.raises(UsageError, match=said):
        choose_answers(Dataset.open(asked(tmp_path, 3, 1)), AnswersConfig(**config), 0)


def test_a_dataset_without_instructions(tmp_path, base):
    asked(tmp_path, 2, 1)
    done = sft(tmp_path / "source/dataset", "--model", base, "-o", tmp_path / "adapter", code=2)
    assert "dataset has no instructions; write some with facedata annotate" in done.stderr


def test_a_person_on_both_sides_is_refused(tmp_path):
    root = asked(tmp_path, 3, 1, {"split": "val", "subject": "p0"})
    with pytest.raises(
        SourceError, match="are of one person; split otherwise: facedata split asked --by subject"
    ):
        choose_answers(Dataset.open(root), AnswersConfig(), 0)


def test_a_picture_that_is_missing_is_named_before_anything_is_made(tmp_path, base):
    root = asked(tmp_path, 3, 1)
    gone = next(iter(sorted((root / "images").rglob("*.png"))))
    gone.unlink()
    with pytest.raises(SourceError, match=f"the picture images/.*{gone.name} of the record .* is missing"):
        train_sft(root, tmp_path / "adapter", str(base), tiny())
    assert not (tmp_path / "adapter").exists()


def test_a_picture_that_cannot_be_read_is_named(tmp_path, base):
    root = asked(tmp_path, 3, 1)
    for path in (root / "images").rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"images/.*\.png.* run facedata validate"):
        train_sft(root, tmp_path / "adapter", str(base), tiny())


def test_libraries_that_are_not_installed_are_named(faces, base, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trl" else found(name))
    done = sft(faces, "--model", base, "-o", tmp_path / "adapter", code=2)
    assert "train sft needs trl: pip install 'facedata[sft]'" in done.stderr
