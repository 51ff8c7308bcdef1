"""OCPP 1.6J as values: messages, frames and the rules of one connection.

Not a server: nothing in this package opens a socket, reads a clock or knows a database.
"""
