"""Webhooks: real requests to receivers that fail, hang and lie."""
