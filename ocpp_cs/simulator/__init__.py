"""A fleet of fake charge points that live a believable day against any OCPP 1.6J central system.
Not part of the server: it speaks to one over WebSocket only, and nothing of the server imports it.
"""
