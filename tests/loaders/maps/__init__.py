"""Tests of the loaders of depth maps and thermal pictures."""
