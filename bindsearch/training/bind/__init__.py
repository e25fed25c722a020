"""Binding: aligning a tower to a frozen space by contrast with what belongs to each of its items.

``bind`` is what ``bindsearch bind`` runs; ``senses`` are the recipes of the compact space's own towers, which
go the same way. Needs the extra ``train`` (torch).
"""

from bindsearch.training.bind.binding import bind
from bindsearch.training.bind.fit import Epoch
from bindsearch.training.bind.options import BindOptions, Fit

__all__ = ["BindOptions", "Epoch", "Fit", "bind"]
