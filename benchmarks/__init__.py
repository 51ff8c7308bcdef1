"""How fast the central system is: a real gunicorn, real sockets, every answer checked."""
