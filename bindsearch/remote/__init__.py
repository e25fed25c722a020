"""The daemon of a library, as other programs see it: what it tells of itself, and how it is asked.

Nothing here imports what is slow, so that a search through the daemon costs its process next to nothing.
"""
