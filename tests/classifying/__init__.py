"""Tests of classifying: probabilities, labels and examples."""
