"""Tests of what crosses the socket, and of the client."""
