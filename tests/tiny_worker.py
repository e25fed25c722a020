"""Run as a process of its own: the daemon's worker with the tiny encoder in place of the library's."""

from bindsearch.ingest.daemon.worker import main
from tests.tiny import TinyEncoder

if __name__ == "__main__":
    main(encoder=TinyEncoder())
