"""Tests of the evaluation: its measures, and whole runs on a folder that the test makes."""
