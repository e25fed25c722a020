"""Tests of bindsearch.locating."""
