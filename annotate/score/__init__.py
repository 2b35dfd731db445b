"""How good answers are against the truth: measures, their intervals, and the tables they are shown in."""
