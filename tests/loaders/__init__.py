"""Tests of the loaders, with real files that the tests make."""
