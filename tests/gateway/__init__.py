"""Tests of the gateway: real sockets, raw peers, real threads and gunicorn."""
