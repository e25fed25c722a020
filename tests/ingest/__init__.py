"""Tests of bindsearch.ingest."""
