"""Tests of the command line, run as whole processes."""
