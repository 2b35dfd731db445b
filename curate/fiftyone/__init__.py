"""Datasets in FiftyOne and back: a view to look at and to edit, never the place where anything is kept."""
