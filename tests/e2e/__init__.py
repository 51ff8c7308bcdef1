"""The whole system as its users meet it: gunicorn, real sockets, both databases, REST."""
