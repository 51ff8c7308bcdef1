"""flask-sock's routes, with a connection of our own making behind them.

It decides nothing about charge points and reads no frame: it is where Flask ends and a socket
begins.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any

from flask import Response, json, request
from flask_sock import Sock
from werkzeug.routing import BaseConverter

from ocpp_cs.gateway.refusal import Refusal

Environ = dict[str, Any]


class WholePath(BaseConverter):
    """Everything behind the route, slashes and all: what a charge point says must get an answer."""

    regex = "(?s:.*)"
    part_isolating = False


class GatewaySock(Sock):  # type: ignore[misc]  # the library has no types
    """`Sock` whose routes build their own connection, or refuse, from the WSGI environment."""

    def route(self, path: str, bp: Any = None, **options: Any) -> Callable[..., None]:
        """A decorator for views that let a peer in, or raise Refusal.

        `view(environ, **path_variables)` returns what runs the connection to its end; that must
        shut the socket down and must not raise.
        """

        def decorator(view: Callable[..., Callable[[], None]]) -> None:
            @wraps(view)
            def websocket_route(**variables: Any) -> Response:
                try:
                    return _Switched(view(request.environ, **variables))
                except Refusal as refused:
                    return refused_response(refused)

            (bp or self.app).add_url_rule(
                path,
                view_func=websocket_route,
                methods=["GET"],
                websocket=True,
                merge_slashes=False,
                **options,
            )

        return decorator


def socket_of(environ: Environ) -> socket.socket:
    """The connection's socket, which is ours from here on until the response ends."""
    sock: socket.socket | None = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if sock is None:
        raise Refusal(501, "no_socket", "this WSGI server does not give its sockets away")
    return sock


def refused_response(refused: Refusal) -> Response:
    """A refusal as RFC 9457 asks for it; `reason` is for machines, `detail` for people."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.hint,
        "reason": refused.reason,
    }
    return Response(
        json.dumps(problem) + "\n",
        refused.status,
        refused.headers,
        content_type="application/problem+json",
    )


class _Switched(Response):
    """The 101, as far as Flask is concerned."""

    def __init__(self, serve: Callable[[], None]) -> None:
        super().__init__(status=HTTPStatus.SWITCHING_PROTOCOLS)
        self._serve = serve

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        return _Body(self._serve, environ, start_response)


class _Body:
    """Runs the connection when the server asks for the response's body.

    By then Flask's contexts are gone: they would be kept in memory for each idle charge point.
    """

    def __init__(self, serve: Callable[[], None], environ: Environ, start_response: Any) -> None:
        self._serve = serve
        self._environ = environ
        self._start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self._environ.pop("werkzeug.request", None)
        self._serve()
        if "gunicorn.socket" in self._environ:
            # gunicorn's sign that the socket is done with; it writes nothing more and closes it.
            raise StopIteration
        # werkzeug insists on a response; writing it to a socket that is shut down ends quietly.
        self._start_response("101 Switching Protocols", [])
        return iter(())
