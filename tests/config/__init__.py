"""Tests of `config`: settings, their documents, gunicorn.

What a setting does is tested where it takes effect.
"""
