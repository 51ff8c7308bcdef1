"""Mirrors `ocpp_cs/doctor`: each check is seen to fail."""
