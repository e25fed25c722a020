"""Tests of bindsearch.models."""
