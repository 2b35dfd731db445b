"""Audits: small pure functions over rows and embeddings that find what is wrong with a dataset."""
