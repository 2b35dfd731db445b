"""Diffusion synthesis: spoofs from live faces, de-spoofing, training and sampling."""
