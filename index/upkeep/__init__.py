"""Upkeep: whether a library is sound, and what keeps it so.

``verify`` looks and changes nothing; ``repair`` puts right what can be put right without loss; ``compact``
gives back what is not used; ``back_up`` and ``restore`` make and take one file that holds a library.
"""
