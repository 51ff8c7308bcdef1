"""The only room that knows Peewee and SQL: the engine, the group commit, the tables, the queries.

It knows nothing of OCPP frames, sockets or HTTP.
"""
