"""The sandbox: files are decoded in a process that can be stopped, so a hostile one costs itself alone.

``Sandbox.load`` keeps the contract of ``bindsearch.loaders.load``. Behind it a worker process decodes, with a
cap on its memory, and its answers come over a pipe as checked messages, never as pickled objects. A decoder
that crashes, hangs, grows or talks nonsense becomes a DamagedFile with its reason, and the next file gets a
new worker.

What the sandbox does not do: a worker keeps the user's rights. It guards against decoders that break, not
against a program that has taken one over and reads other files of the user.
"""

from bindsearch.sandbox.host import Sandbox

__all__ = ["Sandbox"]
