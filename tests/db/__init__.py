"""Tests of the store: real files, a real PostgreSQL, real threads and processes."""
