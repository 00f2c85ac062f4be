"""The worker beside the site, as `./tt run` keeps it: through its own death and the database's."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.site import PASSWORD, ROOT, free_port
from tests.provider import Provider
from tracetrack import postgres

# `./tt run` after it has installed and migrated.
SERVE = """
import importlib.machinery, importlib.util, signal, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("tt", "tt")
tt = importlib.util.module_from_spec(importlib.util.spec_from_loader("tt", loader))
loader.exec_module(tt)
signal.signal(signal.SIGTERM, tt.ended_from_outside)
port = int(sys.argv[1])
web, worker = tt.web_server(port), tt.WORKER
sys.exit(tt.serve(port, [sys.executable, *web[1:]], [sys.executable, *worker[1:]]))
"""
SEND = """
from accounts.models import User
from tracetrack.mail.services import send
send(name="bill_created", to=User.objects.all(), number="{}", capacity=1, by="Asha", path="/")
"""


def eventually(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


class Running:
    """A site with its worker, one person with an address, and a provider."""

    def __init__(self, home: Path, provider: Provider) -> None:
        self.home, self.provider, self.port = home, provider, free_port()
        self.env = os.environ | {
            "TRACETRACK_VAR": str(home),
            "LOG_LEVEL": "CRITICAL",
            "DB_POOL_TIMEOUT_SECONDS": "20",  # a busy machine needs a while after a restart
            "EMAIL_PROVIDER": "brevo",
            "EMAIL_API_KEY": "key",
            "EMAIL_API_URL": provider.url,
            "EMAIL_FROM": "noreply@seeds.example",
            "PUBLIC_BASE_URL": "https://trace.seeds.example",
        }
        for name in ("DATABASE_URL", "PRODUCTION_DATABASE_URL", "ENVIRONMENT"):
            self.env.pop(name, None)
        self.url = postgres.ensure_running(home)
        self.manage("migrate", "-v0")
        self.manage("createadmin", "asha", "--password-stdin", input=PASSWORD)
        self.execute("UPDATE accounts_user SET email = 'asha@seeds.example'")
        command = [sys.executable, "-c", SERVE, str(self.port)]
        self.tt = subprocess.Popen(command, cwd=ROOT, env=self.env)  # noqa: S603  our own command
        eventually(self.is_ready)

    def manage(self, *command: str, **more) -> None:
        subprocess.run(  # noqa: S603  our own command
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self.env,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
            **more,
        )

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=5).close()
        except OSError:
            return False
        return True

    def worker(self) -> int | None:
        """The process number of the worker."""
        children = Path(f"/proc/{self.tt.pid}/task/{self.tt.pid}/children").read_text().split()
        for pid in children:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"procrastinate" in command.split(b"\0"):
                return int(pid)
        return None

    def send(self, number: str) -> None:
        self.manage("shell", "-v0", "-c", SEND.format(number))

    def arrived(self, number: str) -> int:
        return sum(number in mail["subject"] for mail in self.provider.accepted)

    def stop(self) -> int:
        self.tt.terminate()
        try:
            return self.tt.wait(timeout=40)
        finally:
            postgres.stop(self.home)


@pytest.fixture
def running(tmp_path) -> Iterator[Running]:
    with Provider() as provider:
        running = Running(tmp_path, provider)
        yield running
        if running.tt.poll() is None:
            running.stop()


def test_mails_go_out_whatever_dies_beside_the_site(running):
    running.send("FIRST")
    eventually(lambda: running.arrived("FIRST"))

    postgres.stop(running.home)
    postgres.ensure_running(running.home)
    running.send("RESTARTED")
    eventually(lambda: running.arrived("RESTARTED"))

    eventually(running.worker)
    killed = running.worker()
    os.kill(killed, signal.SIGKILL)
    eventually(running.is_ready, seconds=10)
    running.send("KILLED")
    eventually(lambda: running.arrived("KILLED"))
    assert running.worker() not in (None, killed)

    worker = running.worker()
    assert running.stop() == 0
    assert not Path(f"/proc/{worker}").exists()
    assert [running.arrived(word) for word in ("FIRST", "RESTARTED", "KILLED")] == [1, 1, 1]


@pytest.mark.long
def test_a_mail_in_the_hands_of_a_worker_that_dies_arrives_within_minutes(running):
    """Found by its missing sign of life, without any help."""
    running.provider.mood = "black hole"
    running.send("HELD")
    assert running.provider.asked.wait(120)
    os.kill(running.worker(), signal.SIGKILL)
    running.provider.mood = "ok"
    eventually(lambda: running.arrived("HELD"), seconds=180)
    assert running.arrived("HELD") == 1


@pytest.mark.long
def test_a_mail_under_way_when_the_database_is_killed_arrives(running):
    running.provider.mood = "black hole"
    running.send("HELD")
    assert running.provider.asked.wait(120)
    pid = (running.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
    os.kill(int(pid), signal.SIGKILL)
    running.provider.mood = "ok"
    time.sleep(6)  # longer than one try: there is nobody to tell how it ended
    postgres.ensure_running(running.home)
    eventually(lambda: running.arrived("HELD"), seconds=420)
    assert running.arrived("HELD") == 1
