"""Thin training recipes and their metrics."""
