"""``python -m bindsearch``: the same as the ``bindsearch`` command.

The command line is named as text, not imported: imports run downward, and this folder is the lowest.
"""

import runpy

runpy.run_module("bindsearch.cli", run_name="__main__", alter_sys=True)
