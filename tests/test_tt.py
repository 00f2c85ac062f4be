"""The launcher's own decisions. What it starts is tested where it lives."""

import ast
import importlib.machinery
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

fcntl = pytest.importorskip("fcntl", reason="locks and signals the Unix way")
TT = Path(__file__).resolve().parent.parent / "tt"
ANSWERS_READY = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


@pytest.fixture
def tt(monkeypatch, tmp_path):
    """The launcher as a module, with a project directory of its own."""
    loader = importlib.machinery.SourceFileLoader("tt", str(TT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tt", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "PROJECT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "VAR", tmp_path / "var")
    monkeypatch.setattr(module, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(module, "PRODUCTION", False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return module


@pytest.fixture
def busy_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, TT, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_help_names_every_command(arguments):
    done = launch(*arguments)
    assert done.returncode == 0
    for command in ("run", "test", "stop", "manage", "bench"):
        assert f"./tt {command}" in done.stdout


def test_an_unknown_command_is_named_and_help_given():
    done = launch("rnu")
    assert done.returncode == 2
    assert "'rnu'" in done.stderr
    assert "./tt run" in done.stderr


def test_an_old_python_gets_as_far_as_the_sentence_about_it():
    source = TT.read_text()
    ast.parse(source, feature_version=(3, 8))
    before = source[: source.index("import argparse")]
    old = before.replace("sys.version_info", "(3, 9, 2)")
    done = subprocess.run(
        [sys.executable, "-c", old], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "TraceTrack needs Python 3.11 or newer. This one is 3.9."


def test_a_port_in_use_is_said_before_anything_starts(busy_port, tmp_path):
    done = launch("run", "--port", str(busy_port), TRACETRACK_VAR=str(tmp_path))
    assert done.returncode == 1
    assert re.search(rf"Port {busy_port} is in use.*--port {busy_port + 1}", done.stderr)
    assert not (tmp_path / "postgres").exists()


def test_a_port_that_is_none(tmp_path):
    done = launch("run", "--port", "70000", TRACETRACK_VAR=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.strip().startswith("70000 is no port.")


def test_a_second_site_of_the_same_directory_is_refused(tmp_path):
    with (tmp_path / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = launch("run", TRACETRACK_VAR=str(tmp_path))
    assert done.returncode == 1
    assert "./tt stop" in done.stderr


def test_stop_finds_the_site_that_runs(tt):
    assert tt.site_process() is None
    with tt.only_one_site():
        assert tt.site_process() == os.getpid()
    assert tt.site_process() is None


def test_packages_are_installed_once_for_each_list(tt, monkeypatch, tmp_path):
    installed = []
    monkeypatch.setattr(tt, "call", lambda *command: installed.append(command) or 0)
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.txt").write_text("django==5.2.1\n")
    for _ in range(2):
        tt.prepare_environment("requirements.txt")
    assert len(installed) == 1
    assert "--require-hashes" in installed[0]
    (tmp_path / "requirements.txt").write_text("django==5.2.2\n")
    tt.prepare_environment("requirements.txt")
    assert len(installed) == 2


def test_packages_that_failed_are_tried_again(tt, monkeypatch, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.txt").write_text("django==5.2.1\n")
    monkeypatch.setattr(tt, "call", lambda *command: 1)
    with pytest.raises(SystemExit, match="could not be installed"):
        tt.prepare_environment("requirements.txt")
    assert not tt.is_installed("requirements.txt")


def test_a_python_without_venv_names_what_to_install(tt, monkeypatch, tmp_path):
    monkeypatch.setattr(tt, "PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setattr(tt.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        tt.prepare_environment("requirements.txt")


@pytest.fixture
def supervisor(tt, monkeypatch):
    """Records what the database's supervisor is told; the server does not run before."""
    told = []

    def quietly(*command):
        told.append(command[-1])
        return 3 if command[-1] == "status" else 0

    monkeypatch.setattr(tt, "quietly", quietly)
    return told


def test_the_database_is_stopped_by_who_started_it(tt, supervisor):
    with pytest.raises(ZeroDivisionError), tt.database():
        raise ZeroDivisionError
    assert supervisor == ["status", "start", "stop"]


def test_a_database_that_ran_before_goes_on(tt, monkeypatch):
    monkeypatch.setattr(tt, "quietly", lambda *command: 0 if command[-1] == "status" else 1 / 0)
    with tt.database():
        pass


def test_no_database_is_started_when_one_is_named(tt, supervisor, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/tracetrack")
    with tt.database():
        pass
    assert supervisor == []


@pytest.mark.parametrize(
    ("production", "arguments", "expected"),
    [
        (False, [], ["migrate", "make_demo"]),
        (False, ["--no-demo"], ["migrate"]),
        (True, [], ["migrate", "collectstatic"]),
    ],
)
@pytest.mark.usefixtures("supervisor")
def test_what_run_prepares(tt, monkeypatch, free_port, production, arguments, expected):
    done = []
    monkeypatch.setattr(tt, "PRODUCTION", production)
    monkeypatch.setattr(tt, "prepare_environment", lambda requirements: None)
    monkeypatch.setattr(tt, "django", lambda *command: done.append(command[0]))
    monkeypatch.setattr(tt, "serve", lambda port, commands: 0)
    assert tt.run(["--port", str(free_port), *arguments]) == 0
    assert done == expected


def test_when_one_process_ends_all_stop_with_its_exit_code(tt, free_port, capfd):
    dies = "import time; time.sleep(1); raise SystemExit(7)"
    # The second starts a process of its own, as gunicorn does, and prints its number.
    parent = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[1:]])\n"
        "print('child', child.pid, flush=True)\n"
        "child.wait()"
    )
    web = [sys.executable, "-c", parent, "-c", ANSWERS_READY, free_port]
    assert tt.serve(free_port, {"web": web, "job": [sys.executable, "-c", dies]}) == 7
    said = capfd.readouterr().out
    assert f"http://127.0.0.1:{free_port}/" in said
    assert "job process ended" in said
    grandchild = int(re.search(r"child (\d+)", said)[1])
    deadline = time.monotonic() + 10
    while is_alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(grandchild)


@pytest.fixture
def ctrl_c():
    """As in a terminal: what starts in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_stops_what_runs(tt, free_port, capfd):
    web = [sys.executable, "-c", ANSWERS_READY, free_port]

    def press_when_ready():
        while tt.ask_ready(free_port) != 200:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press_when_ready, daemon=True).start()
    assert tt.serve(free_port, {"web": web}) == 0
    assert "Stopping" in capfd.readouterr().out
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=1)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False
