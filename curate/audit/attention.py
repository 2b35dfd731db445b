"""What the words of a prompt attend to in a text-to-image UNet, read while it denoises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import UsageError

__all__ = ["word_maps"]

_SIDE = 16  # maps of about 16 x 16 carry the layout (Hertz et al. 2022, Prompt-to-prompt)


def word_maps(pipeline: Any, prompts: Sequence[str], *, steps: int, seed: int) -> list[NDArray[np.float32]]:
    """Return, for each prompt, the cross-attention map of each of its words, (words, pixels) float32.

    Maps are means over heads, steps and the layers whose maps are nearest to 16 x 16. All prompts start from
    one noise. There is no guidance: the unconditional half would double the work and is not read. Raises
    UsageError where the pipeline has no UNet with cross-attention on text.
    """
    import torch

    unet, tokenizer = getattr(pipeline, "unet", None), getattr(pipeline, "tokenizer", None)
    if unet is None or tokenizer is None:
        raise UsageError(
            f"{type(pipeline).__name__} has no UNet that attends to a text: it cannot be screened"
        )
    with _recorded(unet, len(prompts)) as kept:
        pipeline.set_progress_bar_config(disable=True)
        pipeline(
            list(prompts),
            num_inference_steps=steps,
            guidance_scale=1.0,
            generator=[torch.Generator().manual_seed(seed) for _ in prompts],
            output_type="latent",
        )
    if not kept:
        raise UsageError(
            f"the UNet of {type(pipeline).__name__} has no cross-attention: it cannot be screened"
        )
    pixels = min(kept, key=lambda size: abs(np.log(size / _SIDE**2)))
    mean = (kept[pixels][0] / kept[pixels][1]).float().cpu().numpy()
    return [mean[place][:, _words(tokenizer, prompt)].T for place, prompt in enumerate(prompts)]


def _words(tokenizer: Any, prompt: str) -> list[int]:
    """Return the places of a prompt's own tokens: not those of its start, end and padding."""
    ids = tokenizer(prompt, truncation=True, max_length=tokenizer.model_max_length)["input_ids"]
    special = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    return [place for place, token in enumerate(ids) if token not in special]


@contextmanager
def _recorded(unet: Any, prompts: int) -> Iterator[dict[int, tuple[Any, int]]]:
    """Yield sums of attention, (prompts, pixels, tokens), and their number, by the number of pixels."""
    from diffusers.models.attention_processor import AttnProcessor

    kept: dict[int, tuple[Any, int]] = {}
    layers = [layer for name, layer in unet.named_modules() if name.endswith("attn2")]
    before = [layer.processor for layer in layers]

    def record(scores: Any) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            found = scores(*arguments, **named)  # (prompts x heads, pixels, tokens)
            heads = found.detach().reshape(prompts, -1, *found.shape[1:]).mean(1)
            total, count = kept.get(found.shape[1], (0, 0))
            kept[found.shape[1]] = (total + heads, count + 1)
            return found

        return wrapped

    try:
        for layer in layers:
            layer.set_processor(AttnProcessor())  # the one that makes the maps; fused ones never do
            layer.get_attention_scores = record(layer.get_attention_scores)
        yield kept
    finally:
        for layer, processor in zip(layers, before, strict=True):
            layer.__dict__.pop("get_attention_scores", None)
            layer.set_processor(processor)
