"""Evaluation: how well a space finds, names and separates what belongs together.

Every figure is of the rows of one or more ``manifest.csv``: ``retrieval`` looks for partners across two
modalities, ``zeroshot`` names files by their labels' words, ``fewshot`` fits a linear probe on some
examples of each label. ``python -m bindsearch.evaluation`` and ``bindsearch eval`` are the same command.
"""
