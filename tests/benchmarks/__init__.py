"""Tests of the bench: that it measures and checks at all. Its figures are for people."""
