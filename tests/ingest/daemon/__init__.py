"""Tests of the daemon: what it watches, indexes and answers while files change and processes die."""
