"""Fuzzing of whatever reads a stranger's file: `python -m tests.fuzz --help`."""
