"""Who answers: each provider behind one small interface; see `base`."""
