"""A stand-in for a mail provider: Brevo's HTTP API on this machine, in eleven moods.

with Provider() as provider:
    provider.mood = "slow"      # what the next requests meet
    ...
    provider.accepted           # the mails that it took, one for each time it took one
"""

import contextlib
import http.server
import json
import threading
from typing import Any, Self

MOODS = (
    "ok",
    "slow",  # answers after half a second
    "black hole",  # takes the request and never answers
    "drip",  # answers byte by byte, without an end
    "down",  # refuses connections
    "broken",  # 500
    "wrong key",  # 401
    "too many",  # 429, with Retry-After
    "invalid",  # 400: no such address
    "accept then cut",  # takes the mail, and the connection ends before the answer
    "garbage",  # a page of HTML with status 200, as from a proxy in between
)
RETRY_AFTER = 600  # seconds
ANSWERS = {
    "broken": (500, {"code": "internal_error"}),
    "wrong key": (401, {"code": "unauthorized", "message": "Key not found"}),
    "too many": (429, {"code": "too_many_requests"}),
    "invalid": (400, {"code": "invalid_parameter", "message": "email is not valid in to"}),
}


class Provider:
    """Listens on a port of its own as long as it is not down."""

    def __init__(self) -> None:
        self.tried: list[dict[str, Any]] = []
        self.accepted: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.asked = threading.Event()  # a request has come, and is still unanswered
        self.go_on = threading.Event()  # ends the waiting of the moods that make wait
        self.port = 0
        self._mood = "ok"
        self._server: http.server.ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on.set()
        self._refuse()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3/"

    @property
    def mood(self) -> str:
        return self._mood

    @mood.setter
    def mood(self, mood: str) -> None:
        assert mood in MOODS
        self._mood = mood
        self._refuse() if mood == "down" else self._listen()

    def _listen(self) -> None:
        if self._server is None:
            at = ("127.0.0.1", self.port)
            self._server = http.server.ThreadingHTTPServer(at, self._handler())
            self._server.daemon_threads = True
            self.port = self._server.server_port
            threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                mail = json.loads(self.rfile.read(length)) | {"mood": provider.mood}
                provider.keys.add(self.headers["api-key"])
                provider.tried.append(mail)
                provider.answer(self, mail)

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler

    def drip(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Each byte comes long before a time-out; all of them never."""
        handler.close_connection = True
        with contextlib.suppress(OSError):  # the other end has gone
            handler.wfile.write(b"HTTP/1.1 201 Created\r\nX-Patience: ")
            while not self.go_on.wait(0.05):
                handler.wfile.write(b".")

    def answer(self, handler: http.server.BaseHTTPRequestHandler, mail: dict[str, Any]) -> None:
        mood = self.mood
        if mood in ("slow", "black hole"):
            self.asked.set()
            self.go_on.wait(0.5 if mood == "slow" else None)
        if mood == "drip":
            self.drip(handler)
            return
        if mood in ("ok", "slow", "accept then cut"):
            self.accepted.append(mail)
        if mood in ("black hole", "accept then cut"):
            handler.close_connection = True
            return
        status, body = ANSWERS.get(mood, (201, {"messageId": f"<{len(self.accepted)}@brevo>"}))
        text = "<html>Please sign in to this network</html>" if mood == "garbage" else None
        sent = (text or json.dumps(body)).encode()
        handler.send_response(200 if text else status)
        if mood == "too many":
            handler.send_header("Retry-After", str(RETRY_AFTER))
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        handler.wfile.write(sent)
