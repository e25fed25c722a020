"""Tests of bindsearch.previews."""
