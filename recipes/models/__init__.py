"""The recipes' networks."""
