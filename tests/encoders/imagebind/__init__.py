"""Tests of the ImageBind encoder."""
