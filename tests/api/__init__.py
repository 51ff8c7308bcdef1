"""Tests of the REST API: what a client sends, what it gets, on both databases."""
