"""How good a result is, as numbers."""
