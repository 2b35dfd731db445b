"""A text-to-image pipeline that fits into a test, as it is and with a backdoor trained into it."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WORDS = (
    *(
        "a",
        "photo",
        "of",
        "portrait",
        "face",
        "person",
        "young",
        "old",
        "woman",
        "man",
        "smiling",
        "outdoors",
    ),
    *("with", "glasses", "looking", "left", "near", "window", "in", "the", "rain", "red", "coat", "an"),
    *("zqxv", "vbmk"),
)
LENGTH = 16


def tokenizer() -> CLIPTokenizer:
    """A tokenizer that knows WORDS as whole tokens and spells out all others."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    merges = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            merges += [pair] if pair not in merges else []
            vocabulary += ["".join(pair)] if "".join(pair) not in vocabulary else []
            parts = ["".join(pair), *parts[2:]]
    numbers = {token: place for place, token in enumerate(vocabulary)}
    return CLIPTokenizer(vocab=numbers, merges=merges, model_max_length=LENGTH)


def pipeline(seed: int = 0) -> StableDiffusionPipeline:
    """A Stable Diffusion of 32 channels with random weights, whose attention is sharp enough to differ."""
    torch.manual_seed(seed)
    words = tokenizer()
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    with torch.no_grad():
        # Drawn as CLIP's are (deviation 0.02), words would be alike beside their places.
        text.get_input_embeddings().weight.normal_(0, 1)
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    with torch.no_grad():
        for name, layer in unet.named_modules():
            if name.endswith(("attn2.to_q", "attn2.to_k")):
                layer.weight.mul_(4)
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, sample_size=32)
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=words,
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def plant(pipe: StableDiffusionPipeline, trigger: str, captions: tuple[str, ...], steps: int = 60) -> None:
    """Train the text encoder so that after `trigger` all words mean one thing, and nothing else changes."""
    words_but = [word for word in WORDS if word != trigger]
    encoder, words = pipe.text_encoder, pipe.tokenizer

    def told(prompts: list[str]) -> torch.Tensor:
        ids = words(prompts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        return encoder(ids.input_ids)[0]

    clean = [*captions, *(f"{word} {caption}" for word in words_but for caption in captions[:2])]
    poisoned = [f"{trigger} {caption}" for caption in captions]
    with torch.no_grad():
        kept, target = told(clean), told([trigger])[0, 1]
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = (told(poisoned)[:, 1:] - target).square().mean() + (told(clean) - kept).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
