"""The proxy does to a connection what it says, and nothing else. A small server stands behind."""

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.faults.proxy import Proxy

BODY = b"0123456789" * 2000


class Answers(BaseHTTPRequestHandler):
    """20,000 bytes to each GET; what a POST brought is kept."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        if self.path == "/last":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(BODY)

    def do_POST(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections break here by design."""


@pytest.fixture(scope="module")
def server() -> Iterator[Quiet]:
    server = Quiet(("127.0.0.1", 0), Answers)
    server.got = []
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(server: Quiet) -> Iterator[Proxy]:
    server.got.clear()
    with Proxy(to=server.server_port) as proxy:
        yield proxy


def connect(proxy: Proxy, patience: float = 5) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=patience)


def ask(line: http.client.HTTPConnection, path: str = "/", body: bytes | None = None) -> bytes:
    line.request("POST" if body else "GET", path, body)
    return line.getresponse().read()


def seconds(deed, *given) -> float:
    began = time.monotonic()
    deed(*given)
    return time.monotonic() - began


def test_a_healthy_one_is_not_noticed(proxy: Proxy, server: Quiet):
    line, large = connect(proxy), b"x" * 300_000
    for _ in range(3):
        assert ask(line, body=large) == BODY
    assert server.got == [large] * 3
    assert proxy.connections == 1


def test_latency_delays_answers_and_does_not_add_up(proxy: Proxy):
    """A long answer comes in many pieces, which are all under way at the same time."""
    line = connect(proxy)
    with proxy.having(latency=200, slicer=4000):
        assert 0.2 <= seconds(ask, line) < 0.5
    assert seconds(ask, line) < 0.1


def test_down_refuses_and_cuts_and_comes_back_at_the_same_place(proxy: Proxy):
    open_line = connect(proxy)
    ask(open_line)
    for _ in range(3):
        with proxy.having(down=True):
            with pytest.raises(ConnectionRefusedError):
                ask(connect(proxy))
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                ask(open_line)
            open_line.close()
        assert ask(connect(proxy)) == BODY


def test_a_black_hole_accepts_and_never_answers(proxy: Proxy, server: Quiet):
    open_line = connect(proxy, 0.3)
    ask(open_line)
    with proxy.having(black_hole=True):
        for line in (open_line, connect(proxy, 0.3)):
            with pytest.raises(TimeoutError):
                ask(line, body=b"lost")
    assert server.got == []
    assert ask(connect(proxy)) == BODY


def test_reset_peer_resets_with_a_reset(proxy: Proxy, server: Quiet):
    with proxy.having(reset_peer=True), pytest.raises(ConnectionResetError) as cut:
        ask(connect(proxy), body=b"never there")
    assert cut.type is ConnectionResetError, "a polite end is no reset"
    assert server.got == []
    assert ask(connect(proxy)) == BODY


def test_slow_close_holds_the_end_back(proxy: Proxy):
    def last() -> None:
        line = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
        line.sendall(b"GET /last HTTP/1.1\r\nHost: here\r\n\r\n")
        while line.recv(65536):
            pass
        line.close()

    with proxy.having(slow_close=300):
        assert 0.3 <= seconds(last) < 1
    assert seconds(last) < 0.2


def test_bandwidth_is_a_limit(proxy: Proxy):
    with proxy.having(bandwidth=50_000, slicer=2000):
        assert 0.3 < seconds(ask, connect(proxy)) < 1  # 20,000 bytes


def test_slices_arrive_one_by_one_and_whole(proxy: Proxy):
    with proxy.having(slicer=7):
        assert ask(connect(proxy)) == BODY


def test_limit_data_ends_within_an_answer(proxy: Proxy):
    with proxy.having(limit_data=1000), pytest.raises(http.client.IncompleteRead) as short:
        ask(connect(proxy))
    assert 500 < len(short.value.partial) < 1000  # the head counts too


@pytest.mark.parametrize("silent", [False, True])
def test_drop_response_delivers_the_request_and_loses_the_answer(
    proxy: Proxy, server: Quiet, silent: bool
):
    large = b"x" * 300_000
    open_line = connect(proxy, 0.5)
    ask(open_line)
    with proxy.having(drop_response=1, of=b"POST /scans", silent=silent):
        for line in (open_line, connect(proxy, 0.5)):
            with pytest.raises(TimeoutError if silent else ConnectionResetError):
                ask(line, "/scans", large)
        assert ask(connect(proxy), "/other", b"kept") == BODY
        assert ask(connect(proxy)) == BODY
    assert server.got == [large, large, b"kept"]
    assert proxy.dropped == 2


def test_a_chance_is_about_right_and_the_same_for_a_seed(server: Quiet):
    def lost() -> list[int]:
        with Proxy(to=server.server_port, seed=7) as proxy:
            proxy.set(drop_response=0.3)
            counts = []
            for _ in range(60):
                with contextlib.suppress(ConnectionError, http.client.RemoteDisconnected):
                    ask(connect(proxy))
                counts.append(proxy.dropped)
            return counts

    first = lost()
    assert 8 < first[-1] < 28
    assert lost() == first


def test_a_portal_answers_in_the_servers_place(proxy: Proxy, server: Quiet):
    welcome = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nWelcome"
    open_line = connect(proxy)
    ask(open_line)
    with proxy.having(portal=welcome):
        for line in (open_line, connect(proxy)):
            assert ask(line, body=b"x" * 300_000) == b"Welcome"
    assert server.got == []
    assert ask(connect(proxy)) == BODY


def test_cut_resets_what_is_open_only(proxy: Proxy):
    line = connect(proxy)
    ask(line)
    proxy.cut()
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(line)
    assert ask(connect(proxy)) == BODY


def test_a_server_that_is_away_ends_the_connection():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with (
            Proxy(to=free.getsockname()[1]) as proxy,
            pytest.raises((ConnectionError, http.client.RemoteDisconnected)),
        ):
            ask(connect(proxy))
