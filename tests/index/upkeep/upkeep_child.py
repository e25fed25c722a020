"""Run as a process of its own, to be killed: one act of upkeep on a library, announced just before it."""

import sys
from pathlib import Path

from bindsearch.index.upkeep.backing import back_up, restore
from bindsearch.index.upkeep.compacting import compact
from bindsearch.index.upkeep.repairing import repair
from bindsearch.index.upkeep.schema_of import pristine

act, library, file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
pristine()  # what takes longest and changes nothing
sys.stdout.write("ready\n")
sys.stdout.flush()
if act == "backup":
    back_up(library, file)
elif act == "restore":
    restore(file, library, force=True)
elif act == "compact":
    compact(library)
else:
    repair(library)
