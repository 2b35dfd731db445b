"""The local provider, on a tiny randomly initialised vision-language model made on the spot."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import string
from dataclasses import replace

import pytest
from annotate_parts import facedata, make_dataset, make_requests, write_task

from facedata.annotate.providers.base import Outcome, Sampling
from facedata.annotate.providers.transformers import Transformers
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError

CHAT = (
    "{% for message in messages %}{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A LLaVA of one layer a side."""
    return make_model(tmp_path_factory.mktemp("tiny-llava"))


def make_model(path):
    """Write a LLaVA of one layer a side, with a vocabulary of characters, and return its folder."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    words = ["<unk>", "<pad>", "</s>", "<image>", *string.printable]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token=words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    special = {"unk_token": words[0], "pad_token": words[1], "eos_token": words[2]}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, extra_special_tokens={"image_token": words[3]}, **special
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
        ),
        tokenizer=fast,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    layers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**layers, image_size=16, patch_size=8),
        text_config=LlamaConfig(
            **layers, vocab_size=len(words), pad_token_id=1, eos_token_id=2, bos_token_id=2
        ),
        image_token_index=3,
        image_token_id=3,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = LlavaForConditionalGeneration(config)
        # Random weights of the usual size hardly tell one picture from another.
        for name, weights in made.named_parameters():
            if "projector" in name or "lm_head" in name:
                torch.nn.init.normal_(weights, std=1.0)
    made.generation_config.eos_token_id = 2
    made.save_pretrained(path)
    processor.save_pretrained(path)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return path


def ask(model, requests, **options) -> list[Outcome]:
    async def run():
        provider = Transformers(model, device="cpu", **options)
        try:
            return list(await asyncio.gather(*(provider.answer(request) for request in requests)))
        finally:
            await provider.close()

    return asyncio.run(run())


def test_greedy_answers_do_not_depend_on_the_batch(model, tmp_path):
    requests = make_requests(tmp_path, 5, Sampling(max_tokens=8))
    # Prompts of several lengths: short ones are padded in company.
    requests = [replace(one, prompt=one.prompt + "?" * 7 * n) for n, one in enumerate(requests)]
    together = ask(model, requests, batch_size=3)
    alone = ask(model, requests, batch_size=1)
    assert [one.status for one in together] == ["truncated"] * 5, together[0]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len({one.text for one in together}) > 1  # it does look at what it is asked
    assert [one.usage for one in together] == [one.usage for one in alone]
    assert together[0].usage.output == 8


def test_sampled_answers_follow_the_request_alone(model, tmp_path):
    requests = make_requests(tmp_path, 2, Sampling(1.0, max_tokens=12), draws=2)
    first = [one.text for one in ask(model, requests)]
    assert [one.text for one in ask(model, requests[::-1])] == first[::-1]
    assert len(set(first)) > 1


def test_an_answer_ends_at_the_end_token_and_weights_name_the_model(model, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    ended = tmp_path / "ended"
    ended.mkdir()
    for file in model.iterdir():
        (ended / file.name).write_bytes(file.read_bytes())
    weights = load_file(ended / "model.safetensors")
    name = next(name for name in weights if name.endswith("lm_head.weight"))
    weights[name] = torch.zeros_like(weights[name])  # all tokens alike: the first one, <unk>, is taken
    save_file(weights, ended / "model.safetensors", {"format": "pt"})
    settings = json.loads((ended / "generation_config.json").read_text())
    (ended / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [2, 0]}))
    (outcome,) = ask(ended, make_requests(tmp_path, 1, Sampling(max_tokens=3)))
    assert (outcome.status, outcome.usage.output) == ("invalid", 0)
    provider, other = Transformers(model), Transformers(ended)
    assert provider.settings() != other.settings()  # same name or not, weights decide
    assert str(model.parent) not in str(provider.settings())


def test_a_failing_model_is_an_outcome(model, tmp_path):
    (request,) = make_requests(tmp_path, 1, Sampling(max_tokens=3))
    torn = replace(request, images=(replace(request.images[0], read=lambda: b"no picture"),))
    bad, good = ask(model, [torn, request], batch_size=2)  # together, and it spoils nothing for the other
    assert (bad.status, bad.fatal, good.status) == ("error", False, "truncated")
    assert "the model failed" in bad.detail
    (alone,) = ask(model, [request])
    assert good.text == alone.text


def test_a_model_that_cannot_be_loaded_ends_the_run(model, tmp_path):
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "config.json").write_text((model / "config.json").read_text())
    first, second = ask(tmp_path / "torn", make_requests(tmp_path, 2, Sampling(max_tokens=3)))
    assert first.fatal
    assert second.fatal
    assert first.detail.startswith("the model torn cannot be loaded (")


def test_from_the_command_line_greedy_and_sampled_and_again_for_nothing(model, tmp_path):
    make_dataset(tmp_path, 3)
    write_task(tmp_path / "t.yaml")
    flags = ("--task-file", "t.yaml", "ds", "--provider", "transformers", "--model", model, "--max-tokens", 6)
    told = {}
    for name, more in {"greedy": (), "sampled": ("--temperature", 1, "--draws", 2), "anew": ()}.items():
        out, _ = facedata(*flags, *more, "--device", "cpu", "--json", "-o", name, cwd=tmp_path)
        told[name] = json.loads(out)
        (tmp_path / ".facedata" / "answers.sqlite").rename(tmp_path / f"{name}.sqlite")
    assert told["greedy"]["by_status"] == {"reject": 3}  # cut off, and no JSON: it knows nothing
    assert (told["greedy"]["asked"], told["sampled"]["records"], told["greedy"]["cost"]) == (3, 6, 0.0)
    greedy, anew = (Dataset.open(tmp_path / name) for name in ("greedy", "anew"))
    assert greedy.version == anew.version
    out, _ = facedata(*flags, "--json", "-o", "kept", "--journal", "greedy.sqlite", cwd=tmp_path)
    assert (json.loads(out)["asked"], json.loads(out)["from_journal"]) == (0, 3)
    assert Dataset.open(tmp_path / "kept").version == greedy.version
    with contextlib.closing(sqlite3.connect(tmp_path / "sampled.sqlite")) as journal:
        texts = [json.loads(text)["text"] for (text,) in journal.execute("SELECT outcome FROM journal")]
    assert len(set(texts)) > 3  # two draws of a question are two answers


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"config\.json"):
        Transformers(tmp_path)
