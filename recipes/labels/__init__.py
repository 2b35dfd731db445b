"""Recipes that learn what people coded of faces: expressions, action units, valence and arousal."""
