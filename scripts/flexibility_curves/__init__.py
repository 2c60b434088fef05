"""Recompute the figures quoted in docs/flexibility.md: `python -m scripts.flexibility_curves [section ...]`."""
