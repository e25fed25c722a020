"""Tests of the motion log loader."""
