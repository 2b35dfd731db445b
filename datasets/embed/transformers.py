"""Any vision model of the transformers library as an embedder: from a folder, or by its name on the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.pictures import Picture

__all__ = ["Transformers"]


class Transformers:
    """A vision model, by its folder or its name; several kinds have their vectors at several places.

    The vector of a picture is
    - what `get_image_features` gives where the model has that (CLIP, SigLIP), else
    - the first token of the last layer where the model has a class token (ViT, DINOv2), else
    - the mean over all places of the last layer (ConvNeXt, ResNet, Swin).

    The processor is PIL's, which needs no torchvision. The same picture gives the same vector whatever it is
    batched with, to rounding. Raises UsageError where the libraries or the model are missing, or where the
    model sees no pictures.
    """

    in_workers = False  # one copy of the weights; torch itself uses all cores
    dtype: np.dtype[Any] = np.dtype(np.float32)
    near = 0.97

    def __init__(self, model: str, device: str | None = None) -> None:
        try:
            import torch
        except ImportError:
            raise UsageError(
                "the embedder transformers needs torch and transformers; install them with: "
                "pip install 'facedata[synth]'"
            ) from None
        self.name = f"transformers:{model}"
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._processor, loaded, missing = _loaded(model)
        self._model = loaded.to(self._device).eval()
        self.key = f"transformers-1-{Path(model).name}-{_fingerprint(self._model, self._processor, missing)}"
        self.width = self._features([Picture(np.zeros((32, 32, 3), np.uint8), b"", "png")]).shape[1]

    def of(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return float32, pictures x width."""
        return self._features(pictures)

    def _features(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        import torch

        inputs = self._processor(images=[one.pixels for one in pictures], return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._device)
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                found = self._model.get_image_features(pixel_values=pixels)
                found = getattr(found, "pooler_output", found)
            else:
                found = _pooled(self._model(pixel_values=pixels).last_hidden_state, self._model)
        return np.asarray(found.float().cpu().numpy(), np.float32)


def _pooled(hidden: Any, model: Any) -> Any:
    """Return batch x width of batch x tokens x width, or of batch x width x height x width."""
    if hidden.ndim == 4:
        return hidden.mean(dim=(2, 3))
    # The pooling layers of such models are often left untrained, and then drawn at random when loaded.
    has_class = any(name.endswith("cls_token") for name, _ in model.named_parameters())
    return hidden[:, 0] if has_class else hidden.mean(dim=1)


def _loaded(model: str) -> tuple[Any, Any, frozenset[str]]:
    """Return processor, model, and the names of weights that the checkpoint lacks."""
    from transformers import AutoImageProcessor, AutoModel
    from transformers.utils import logging

    processors: Any = AutoImageProcessor
    log: Any = logging
    verbosity = log.get_verbosity()
    log.set_verbosity_error()  # a pooling layer that is not used may well be missing
    try:
        processor = processors.from_pretrained(model, backend="pil")
        loaded, info = AutoModel.from_pretrained(model, output_loading_info=True)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the libraries make of files that are not right
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"--embedder transformers:{model} cannot be loaded ({reason}); give the folder of a vision model "
            "with its preprocessor_config.json, or its name on the hub"
        ) from None
    finally:
        log.set_verbosity(verbosity)
    missing = frozenset(info["missing_keys"])
    if needed := sorted(name for name in missing if not name.startswith("pooler.")):
        raise SourceError(
            f"--embedder transformers:{model} lacks {len(needed)} weights ({needed[0]}, ...), which would be "
            "drawn at random; give a whole checkpoint"
        )
    return processor, loaded, missing


def _fingerprint(model: Any, processor: Any, missing: frozenset[str]) -> str:
    """Return a hash of the weights that were loaded, and of how pictures are prepared."""
    import torch

    digest = hashlib.blake2b(processor.to_json_string().encode(), digest_size=8)
    for name, values in sorted(model.state_dict().items()):
        if name not in missing:
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
