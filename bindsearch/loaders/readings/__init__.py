"""Logs of any other sensor, read only where a rule says that a file is one.

tables     the columns of delimited text and of arrays, under whatever names they have
loader     which of them is the clock, and the windows that the rest is cut into
"""

from bindsearch.loaders.readings.loader import load_readings

__all__ = ["load_readings"]
