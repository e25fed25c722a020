"""Tests of verifying, repairing, compacting, backing up and restoring."""
