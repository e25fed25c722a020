"""Tests of the watcher and its parts, with real folders and the real kernel."""
