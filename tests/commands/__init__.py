"""Tests of the commands: orders in, rows and their states out, on each engine."""
