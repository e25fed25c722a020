"""Watching roots: from what the operating system tells to paths that are due for a look."""
