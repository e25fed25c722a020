"""The daemon: it watches, has a worker process index what has changed, and answers searches meanwhile."""
