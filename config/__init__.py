"""How the server is configured: its settings and gunicorn's.

No behaviour of the server itself lives here.
"""
