"""Multimodal annotation: tasks, providers, checks and instruction records."""
