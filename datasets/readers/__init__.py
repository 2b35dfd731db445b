"""Readers of the datasets that the field has, each by the layout its authors gave it."""
