"""Tests of bindsearch: real files, real SQLite, real FAISS; names are sentences."""
