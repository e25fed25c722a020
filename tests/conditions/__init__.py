"""Tests of conditions: the filter expressions."""
