"""Serving: a daemon's searches over HTTP, on a Unix socket and, if asked for, on the loopback address.

models      what requests and answers look like
desk        requests to the library, in threads
app         the paths, their OpenAPI description, and how refusals look
gate        who may come in, and how much they may say
protocol    connections: who is at the other end, and how long they may take
server      sockets, thread, start and end
"""

from bindsearch.ingest.serving.control import Control
from bindsearch.ingest.serving.server import Server

__all__ = ["Control", "Server"]
