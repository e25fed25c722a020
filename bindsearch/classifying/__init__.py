"""Classifying: what a vector is called, told by the words of labels or learnt from a few examples."""
