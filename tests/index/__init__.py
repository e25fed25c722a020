"""Tests of the index: catalog, vector indexes, store."""
