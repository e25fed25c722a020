"""Run as a process of its own: the worker with the tiny encoder, as slow as the environment says."""

import os
import time
from collections.abc import Sequence

from bindsearch.encoders import Vectors
from bindsearch.ingest.daemon.worker import main
from bindsearch.media import Media
from tests.tiny import TinyEncoder


class SlowEncoder(TinyEncoder):
    """Takes its time over every medium."""

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        time.sleep(float(os.environ.get("SECONDS_A_MEDIUM", "0")) * len(batch))
        return super().encode(batch)


if __name__ == "__main__":
    main(encoder=SlowEncoder())
