"""Embeddings: pictures as vectors, from what is at hand to any vision model."""
