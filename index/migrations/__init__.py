"""Numbered migrations of the catalog, run by alembic; see env.py."""
