"""Who is at work right now, from where and through which door: known without being passed along."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Context:
    """One request, or one run of a command or job.

    With a request, the actor and the address are read from it when they are asked for and not
    before: most requests write no entry, and reading the user costs queries.
    """

    request_id: str = ""
    channel: str = "command"
    person: Any = None
    request: HttpRequest | None = None

    @property
    def actor(self) -> Any:
        """The signed-in person, or None."""
        person = self.person or getattr(self.request, "user", None)
        return person if person is not None and person.is_authenticated else None

    @property
    def ip(self) -> str | None:
        """Where the request came from; None outside of one."""
        return client_ip(self.request) if self.request is not None else None


_OUTSIDE = Context()
_context: ContextVar[Context] = ContextVar("audit_context", default=_OUTSIDE)


def current() -> Context:
    """What is known here and now. Outside of requests: a command that nobody signed in to."""
    return _context.get()


@contextmanager
def use(context: Context) -> Iterator[None]:
    """Let `context` hold inside the block."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


@contextmanager
def acting_as(person: Any, *, channel: str = "command") -> Iterator[None]:
    """For commands and jobs: entries inside the block are by `person` (None for the system)."""
    with use(Context(request_id=new_id(), channel=channel, person=person)):
        yield


def new_id() -> str:
    """A fresh request id."""
    return uuid.uuid4().hex


class LogFilter(logging.Filter):
    """Gives each log record the request's id, "-" outside of one."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current().request_id or "-"
        return True


# --- Addresses ----------------------------------------------------------------------------------


def client_ip(request: HttpRequest) -> str | None:
    """The address of the one who asks; None when even the peer has none.

    X-Forwarded-For is believed only from our own proxies (TRUSTED_PROXIES), and there only its
    TRUSTED_PROXY_COUNT-th address from the right, which our outermost proxy wrote. All that
    stands left of it anybody can write. What can't be read as an address counts as absent.
    """
    found = _peer(request)
    count = settings.TRUSTED_PROXY_COUNT
    if from_trusted_proxy(request):
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        if len(hops) >= count:
            found = _address(hops[-count]) or found
    return str(found) if found else None


def from_trusted_proxy(request: HttpRequest) -> bool:
    """Whether the peer is a proxy of ours, so that what it says about the request is true."""
    peer = _peer(request)
    return bool(peer and settings.TRUSTED_PROXY_COUNT) and any(
        peer in ip_network(network, strict=False) for network in settings.TRUSTED_PROXIES
    )


def _peer(request: HttpRequest) -> Address | None:
    return _address(request.META.get("REMOTE_ADDR", ""))


def _address(text: str) -> Address | None:
    """An address out of `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]:80` or `::ffff:1.2.3.4`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def for_templates(request: HttpRequest) -> dict[str, str]:
    """A context processor: error pages name the request's id."""
    return {"request_id": current().request_id}
