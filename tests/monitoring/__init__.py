"""Mirrors `ocpp_cs/monitoring`."""
