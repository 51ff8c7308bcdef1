"""The WSGI application that gunicorn and `flask --app wsgi` load.

No logic: `create_app` builds it. Under gunicorn this module is imported in the worker, after
gevent has patched the standard library.
"""

from ocpp_cs import create_app

app = create_app()
