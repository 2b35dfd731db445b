"""Gates: what a picture that was made has to pass before it becomes a row."""
