"""Tests of the protocol, on bytes and values; no socket, no clock, no database."""
