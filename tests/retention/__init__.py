"""Tests of `ocpp_cs.retention`."""
