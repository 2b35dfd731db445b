"""The command line: one module a verb; arguments, messages and exit codes only."""
