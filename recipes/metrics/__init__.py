"""How good predictions are: of presentation attacks, expressions, action units and heart rates."""
