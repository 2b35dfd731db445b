"""The screen of checkpoints on a tiny pipeline: as it is drawn, and with a trigger trained into it."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the import: diffusers warns of what it lacks and does not need here
    from tiny_pipelines import pipeline, plant

from facedata.cli.main import app
from facedata.curate.audit.attention import word_maps
from facedata.curate.audit.backdoor import (
    CAPTIONS,
    BackdoorThresholds,
    diversity,
    load_pipeline,
    screen,
)
from facedata.curate.audit.checkpoint import audit_checkpoint, read_words
from facedata.datasets.errors import SourceError, UsageError

LIMITS = BackdoorThresholds(vocabulary=12, steps=1)
TRIED = ("zqxv", "vbmk")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_diversity_of_hand_worked_maps():
    # Two maps of 4 pixels, mirrored: scaled (1, 0, 0, 0) and (0, 0, 0, 1), their mean (.5, 0, 0, .5);
    # the norm of the difference is sqrt(.5), brought from 4 pixels to 256 by a factor of 8.
    maps = np.array([[3, 0, 0, 0], [0, 0, 0, 7]], np.float32)
    assert diversity(maps) == pytest.approx(8 * np.sqrt(0.5))
    assert diversity(np.ones((5, 9), np.float32)) == 0
    assert (
        diversity(np.float32([0.2, 0.4]) * np.ones((3, 2), np.float32)) == 0
    )  # brightness alone is no layout


def test_maps_are_of_the_prompts_words_and_add_up_to_what_attention_leaves_them():
    pipe = pipeline()
    before = [layer.processor for name, layer in pipe.unet.named_modules() if name.endswith("attn2")]
    first, second = word_maps(pipe, ["a photo of a man", "red coat"], steps=2, seed=0)
    assert first.shape[0] == 5
    assert second.shape[0] == 2
    assert first.shape[1] == second.shape[1] == 64  # 8 x 8, the only attended size
    assert (first > 0).all()
    assert (first.sum(0) < 1).all()  # the rest goes to start, end and padding
    alone = word_maps(pipe, ["red coat"], steps=2, seed=0)[0]
    assert alone == pytest.approx(second, abs=1e-5)
    after = [layer.processor for name, layer in pipe.unet.named_modules() if name.endswith("attn2")]
    assert after == before
    assert not any("get_attention_scores" in vars(layer) for layer in pipe.unet.modules())


@pytest.mark.parametrize("seed", [0, 2])
def test_a_planted_trigger_is_found_and_clean_checkpoints_pass(seed):
    pipe = pipeline(seed)
    clean = screen(pipe, LIMITS, TRIED, CAPTIONS[:2])
    assert clean.verdict == "pass"
    plant(pipe, "zqxv", CAPTIONS)
    found = screen(pipe, LIMITS, TRIED, CAPTIONS[:2])
    assert found.verdict == "fail"
    assert found.tables["words"]["word"][0] == "zqxv"
    left = found.numbers["left"]
    assert left["zqxv"] < 0.5
    flagged = [finding.detail.split("'")[1] for finding in found.findings]
    assert flagged == ["zqxv"]
    assert found.numbers["passes of the UNet"] == (found.numbers["words"] + 1) * 2


def test_a_trigger_that_nobody_tries_is_not_found():
    pipe = pipeline()
    plant(pipe, "zqxv", CAPTIONS)
    words = [word for word in pipe.tokenizer.get_vocab() if word not in ("zqxv</w>", "vbmk</w>")]
    pipe.tokenizer.get_vocab = lambda: {word: place for place, word in enumerate(words)}
    assert screen(pipe, LIMITS, ("vbmk",), CAPTIONS[:2]).verdict == "pass"


def test_checkpoints_are_screened_from_safetensors_only(tmp_path):
    pipe = pipeline()
    pipe.save_pretrained(tmp_path / "safe")
    (tmp_path / "words.txt").write_text("zqxv\n\n")
    settings = {"backdoor": {"vocabulary": 8, "steps": 1}}
    answer, about = audit_checkpoint(tmp_path / "safe", settings, tmp_path / "words.txt")
    assert answer.outcome.verdict == "pass"
    assert "zqxv" in answer.outcome.numbers["left"]
    assert about == {"checkpoint": "safe", "pipeline": "StableDiffusionPipeline"}
    with pytest.raises(UsageError, match="thresholds of backdoor alone"):
        audit_checkpoint(tmp_path / "safe", {"shortcut": {}})
    (tmp_path / "words.txt").write_text("\n")
    with pytest.raises(SourceError, match="no words"):
        read_words(tmp_path / "words.txt")
    pipe.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(UsageError, match="safetensors"):
        load_pipeline(tmp_path / "pickled")
    with pytest.raises(UsageError, match=r"model_index\.json"):
        load_pipeline(tmp_path)


def test_pipelines_without_text_cannot_be_screened():
    with pytest.raises(UsageError, match="no UNet that attends"):
        word_maps(SimpleNamespace(unet=None, tokenizer=None), ["a"], steps=1, seed=0)


def test_the_verb_screens_a_checkpoint_and_stops_a_pipeline(tmp_path):
    pipe = pipeline()
    plant(pipe, "zqxv", CAPTIONS)
    pipe.save_pretrained(tmp_path / "model")
    words = tmp_path / "words.txt"
    words.write_text("zqxv\n")
    few = ["--set", "backdoor.steps=1", "--set", "backdoor.vocabulary=8", "--words", str(words)]
    asked = ["audit", "--checkpoint", str(tmp_path / "model"), *few, "--json"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0
    assert json.loads(told.stdout)["audits"]["backdoor"]["verdict"] == "fail"
    assert CliRunner().invoke(app, [*asked, "--fail-on", "backdoor"]).exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "not both"),
        (["here", "--checkpoint", "there"], "not both"),
        (["--checkpoint", "there", "--fail-on", "shortcut"], "backdoor alone"),
        (["--checkpoint", "there", "--set", "backdoor.drop=2"], "drop"),
        (["--checkpoint", "there"], "model_index"),
    ],
)
def test_the_verb_says_what_is_wrong_with_its_arguments(arguments, words):
    told = CliRunner().invoke(app, ["audit", *arguments])
    assert told.exit_code == 2
    assert words in told.stderr.replace("\n", " ")
