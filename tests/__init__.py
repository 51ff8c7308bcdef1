"""The tests of the central system; they mirror `config` and `ocpp_cs` by name.

Nothing here is imported by the server.
"""
