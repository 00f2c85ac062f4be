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


@pytest.mark.parametrize(
    ("arguments", "alone"),
    [
        ([], False),
        (["--long", "-m", "not browser"], False),
        (["test_x.py"], True),
        (["--long", "test_x.py::test_y"], True),
        (["-n0"], True),
    ],
)
def test_the_whole_suite_runs_in_two_processes_and_chosen_tests_in_one(tt, arguments, alone):
    (tt.PROJECT / "test_x.py").touch()
    assert (tt.side_by_side(arguments) == []) is alone


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
    monkeypatch.setattr(tt, "serve", lambda port, web, worker: 0)
    assert tt.run(["--port", str(free_port), *arguments]) == 0
    assert done == expected


IDLE = "import time; time.sleep(60)"


def test_when_the_site_ends_all_stop_with_its_exit_code(tt, free_port, capfd):
    """Also the worker, and what either has started."""
    # Starts a process of its own, as gunicorn does, prints its number, and dies after a while.
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, *sys.argv[2:]])\n"
        "print('child', child.pid, flush=True)\n"
        "time.sleep(float(sys.argv[1]))\n"
        "raise SystemExit(7)"
    )
    web = [sys.executable, "-c", parent, 1.5, "-c", ANSWERS_READY, free_port]
    worker = [sys.executable, "-c", parent, 60, "-c", IDLE]
    assert tt.serve(free_port, web, worker) == 7
    said = capfd.readouterr().out
    assert f"http://127.0.0.1:{free_port}/" in said
    assert "web process ended" in said
    started = [int(number) for number in re.findall(r"child (\d+)", said)]
    assert len(started) == 2
    deadline = time.monotonic() + 10
    while any(map(is_alive, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, started))


def test_a_worker_that_dies_is_started_again_and_the_site_goes_on(tt, free_port, tmp_path, capfd):
    starts = tmp_path / "starts"
    dies = f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(1)"
    ends = (
        "import pathlib, sys, threading, time, os\n"
        f"starts = pathlib.Path({str(starts)!r})\n"
        "def look():\n"
        "    while not (starts.exists() and starts.stat().st_size >= 3): time.sleep(0.05)\n"
        "    os._exit(5)\n"
        "threading.Thread(target=look, daemon=True).start()\n"
    )
    web = [sys.executable, "-c", ends + ANSWERS_READY, free_port]
    assert tt.serve(free_port, web, [sys.executable, "-c", dies]) == 5
    said = capfd.readouterr().out
    pauses = [int(seconds) for seconds in re.findall(r"it starts in (\d+) s", said)]
    assert pauses[:2] == [1, 2]


def test_the_pause_before_the_worker_grows_up_to_a_minute_and_shrinks_again(tt, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(tt.time, "monotonic", lambda: now[0])
    worker = tt.Program([sys.executable, "-c", "pass"])
    pauses = []
    assert not worker.keep_going()
    for lived in (1, 1, 1, 1, 1, 1, 1, 1, 100, 1):
        worker.child.wait(timeout=30)
        now[0] += lived
        assert worker.keep_going()
        pauses.append(worker.pause)
        now[0] += worker.pause - 0.1
        assert not worker.keep_going()
        assert worker.child is None
        now[0] += 0.2
        assert not worker.keep_going()
        assert worker.child is not None
    worker.child.wait(timeout=30)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]


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
    counts = "import os, time; print('child', os.getpid(), flush=True); time.sleep(60)"
    assert tt.serve(free_port, web, [sys.executable, "-c", counts]) == 0
    said = capfd.readouterr().out
    assert "Stopping" in said
    assert not any(is_alive(int(worker)) for worker in re.findall(r"child (\d+)", said))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=1)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False
