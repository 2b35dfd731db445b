"""What is checked of an answer: each check a small pure function; see `base`."""
