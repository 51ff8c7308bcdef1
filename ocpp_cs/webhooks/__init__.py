"""Webhooks: events are sent to URLs that an admin has named, until they arrive or are given up.

A webhook has one place in the feed, which moves when what is before it has arrived: so events keep
their order, and a process that dies costs a repetition and no event. Charge points are not a part
of this: it reads what is committed, in threads of its own.

`targets` says where to, `signature` who sent it, `sending` is one request, `table` the webhooks in
the database, `dispatcher` the threads.
"""
