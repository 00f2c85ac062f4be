"""A call to the provider that ends, whatever the provider does.

The time-out of sockets counts for each read: an answer that comes byte by byte would never be late.
"""

import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

from requests import Session
from requests.adapters import HTTPAdapter


def within(seconds: float, call: Callable[[], None], session: Session) -> None:
    """Do it, or raise TimeoutError and cut the session's connections.

    So the thread of the call ends as well, and does not stay with a provider that never ends.
    """
    done: Future = Future()
    adapter = _Cuttable()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    Thread(target=_fill, args=(done, call), name="mail", daemon=True).start()
    try:
        done.result(timeout=seconds)
    except TimeoutError as error:
        if done.done():  # the call's own
            raise
        adapter.cut()
        raise TimeoutError(f"There was no whole answer within {seconds} s.") from error


def _fill(done: Future, call: Callable) -> None:
    try:
        done.set_result(call())
    except BaseException as error:  # it belongs to the thread that waits
        done.set_exception(error)


class _Cuttable(HTTPAdapter):
    """Remembers its connections, so that another thread can end them."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: list[Any] = []

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        make, made = pool.ConnectionCls, self.connections

        def remembered(**options: Any) -> Any:
            made.append(make(**options))
            return made[-1]

        pool.ConnectionCls = remembered
        return pool

    def cut(self) -> None:
        """A read that waits returns at once."""
        for connection in self.connections:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)
