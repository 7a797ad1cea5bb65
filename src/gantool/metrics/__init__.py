"""Metrics: how good a result is."""
