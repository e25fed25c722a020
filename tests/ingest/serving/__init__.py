"""Tests of the daemon's server, over real sockets."""
