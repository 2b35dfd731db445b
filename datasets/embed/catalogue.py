"""The embedders there are, by the name that `--embedder` takes."""

from __future__ import annotations

from facedata.datasets.embed.base import Embedder
from facedata.datasets.errors import UsageError

__all__ = ["EMBEDDERS", "open_embedder"]

EMBEDDERS = {
    "plain": "shape, edges and colour; 256 numbers, no weights",
    "transformers:MODEL": "a vision model of the transformers library: a folder, or a name on the hub",
}


def open_embedder(name: str) -> Embedder:
    """Return the embedder of that name, or raise UsageError listing those there are."""
    kind, _, model = name.partition(":")
    if kind == "plain" and not model:
        from facedata.datasets.embed.plain import Plain

        return Plain()
    if kind == "transformers" and model:
        from facedata.datasets.embed.transformers import Transformers

        return Transformers(model)
    known = "; ".join(f"{one} ({about})" for one, about in EMBEDDERS.items())
    raise UsageError(f"no embedder is called {name!r}; there are {known}")
