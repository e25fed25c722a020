"""Tests of the encoders, with the weights that are shipped."""
