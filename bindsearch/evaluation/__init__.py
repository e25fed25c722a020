"""Evaluation: how well a space finds what belongs together, on any folder with a manifest."""
