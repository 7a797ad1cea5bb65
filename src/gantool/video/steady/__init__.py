"""Clips that flicker less: scenes told apart, motion found, and what models make averaged along it."""
