"""A site of its own for tests that kill it: gunicorn and PostgreSQL, as `./tt run` starts them."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tracetrack import postgres

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "Seeds-2026!"  # noqa: S105  for tests only


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Site:
    """A server and a database, which `stop()` ends."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = os.environ | {"TRACETRACK_VAR": str(home), "LOG_LEVEL": "CRITICAL"}
        for name in ("DATABASE_URL", "PRODUCTION_DATABASE_URL", "ENVIRONMENT"):
            self.env.pop(name, None)
        self.url = postgres.ensure_running(home)
        self.manage("migrate", "-v0")
        self.manage("createadmin", "asha", "--password-stdin", input=PASSWORD)
        self.port = free_port()
        self.server = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "gunicorn", "tracetrack.wsgi:application"]
            + ["--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--workers", "2"]
            + ["--threads", "8", "--no-control-socket", "--log-level", "critical"],
            cwd=ROOT,
            env=self.env,
        )
        self.wait_until_ready()

    def manage(self, *command: str, **more) -> str:
        done = subprocess.run(  # noqa: S603  our own command
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self.env,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            **more,
        )
        return done.stdout

    def wait_until_ready(self, patience: float = 60) -> None:
        end = time.monotonic() + patience
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5).close()
                return
            except OSError:
                if time.monotonic() > end or self.server.poll() is not None:
                    raise
                time.sleep(0.1)

    def kill_worker(self) -> None:
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text()
        if children:
            os.kill(int(random.choice(children.split())), signal.SIGKILL)  # noqa: S311

    def kill_database(self) -> None:
        pid = (self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)
        while postgres.is_running(self.home):  # a killed process needs a moment to die
            time.sleep(0.01)
        postgres.ensure_running(self.home)

    def restart_database(self) -> None:
        """As for an update of PostgreSQL: in good order, yet all connections end."""
        postgres.stop(self.home)
        postgres.ensure_running(self.home)

    def stop(self) -> None:
        self.server.terminate()
        self.server.wait(timeout=30)
        postgres.stop(self.home)
