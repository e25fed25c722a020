"""Ingest: walking, reconciling, the pipeline from files to vectors, and the Library that joins all."""
