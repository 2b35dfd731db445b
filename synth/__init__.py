"""Diffusion: attack faces from live ones, the live face behind an attack, and the gates before a dataset."""
