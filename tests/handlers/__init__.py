"""Tests of the handlers: frames in, answers and rows out, on a real database of each engine."""
