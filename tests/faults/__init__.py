"""The verbs that write, under faults: `python -m tests.faults --help`, and in short form among the tests."""
