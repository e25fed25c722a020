"""Tests of bindsearch/sandbox."""
