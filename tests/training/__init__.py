"""Tests of training, on data small enough to fit in a second."""
