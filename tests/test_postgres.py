"""The embedded server: it starts anywhere, once, and loses nothing when it is killed."""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from tracetrack import postgres

pytestmark = pytest.mark.skipif(postgres.WINDOWS, reason="kills and checks users the Unix way")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
needs_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="changes users: root")
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
START = "from tracetrack import postgres; print(postgres.ensure_running())"


@pytest.fixture
def make_home():
    """Makes directories for servers, short and open to other users, and stops what runs there."""
    homes = []

    def make(inside: str = "var") -> Path:
        top = Path(tempfile.mkdtemp(prefix="tt-")).resolve()
        top.chmod(0o755)
        homes.append((top, top / inside))
        return top / inside

    yield make
    for top, home in homes:
        postgres.stop(home)
        shutil.rmtree(postgres._socket_directory(home), ignore_errors=True)
        shutil.rmtree(top)


@pytest.fixture
def home(make_home):
    return make_home()


def connect(home: Path) -> psycopg.Connection:
    return psycopg.connect(postgres.url(home), autocommit=True, connect_timeout=5)


def ask(home: Path, query: str):
    with connect(home) as connection:
        return connection.execute(query).fetchone()[0]


def postmaster(home: Path) -> int:
    return int(postgres._pid_file(home).read_text().split()[0])


def processes_in(directory: Path) -> list[int]:
    """Every process of a server stands in its data directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == directory:
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def write_pid_file(home: Path, pid: int) -> None:
    postgres._pid_file(home).write_text(f"{pid}\n{postgres._data(home)}\n0\n5432\n\n\n0 0\nready\n")


def owner_of(home: Path) -> dict:
    """How to start a program as the user who runs this server."""
    uid = (home / "postgres").stat().st_uid
    return {"user": uid, "extra_groups": []} if os.geteuid() == 0 and uid else {}


def test_starts_answers_and_stops(home):
    assert not postgres.is_running(home)
    url = postgres.ensure_running(home)
    assert postgres.is_running(home)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("tracetrack",)
    assert postgres.ensure_running(home) == url
    assert postgres.stop(home)
    assert not postgres.stop(home)
    assert not postgres.is_running(home)


def test_every_form_of_the_address_works_in_django(home):
    import environ
    from django.db.utils import ConnectionHandler

    url = postgres.ensure_running(home)
    from_url = environ.Env.db_url_config(url) | {"ENGINE": "django.db.backends.postgresql"}
    for settings in (from_url, postgres.connection_settings(home)):
        connection = ConnectionHandler({"default": settings})["default"]
        raw = connection.get_new_connection(connection.get_connection_params())
        assert raw.info.dbname == "tracetrack"
        raw.close()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("jit", "off"),
        ("data_checksums", "on"),
        ("max_connections", "200"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("password_encryption", "scram-sha-256"),
        ("server_encoding", "UTF8"),
        ("log_truncate_on_rotation", "on"),
        ("shared_preload_libraries", "pg_stat_statements"),
    ],
)
def test_setting(running, setting, value):
    assert ask(running, f"SHOW {setting}") == value


@pytest.fixture(scope="module")
def running():
    """One server for the tests that only look."""
    top = Path(tempfile.mkdtemp(prefix="tt-")).resolve()
    top.chmod(0o755)
    postgres.ensure_running(top / "var")
    yield top / "var"
    postgres.stop(top / "var")
    shutil.rmtree(top)


def test_is_private(running):
    modes = {
        name: stat.S_IMODE((running / "postgres" / name).stat().st_mode)
        for name in ("", "data", "socket", "log", "password")
    }
    assert modes == {"": 0o700, "data": 0o700, "socket": 0o700, "log": 0o700, "password": 0o600}


def test_asks_for_the_password(running):
    wrong = re.sub(r":[^:@]+@", ":wrong@", postgres.url(running))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


@needs_proc
def test_ctrl_c_in_the_terminal_does_not_reach_it(running):
    pid = postmaster(running)
    assert os.getsid(pid) == pid != os.getsid(0)


def test_six_processes_at_once_start_one_server(home):
    environment = os.environ | {"TRACETRACK_VAR": str(home)}
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=postgres.PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    urls = {starter.communicate(timeout=60)[0].strip() for starter in starters}
    assert urls == {postgres.url(home)}
    log = "".join(path.read_text() for path in (home / "postgres" / "log").glob("postgres-*"))
    assert log.count("ready to accept connections") == 1


@needs_proc
@pytest.mark.parametrize("whole_server", [False, True], ids=["postmaster", "every process"])
def test_a_kill_loses_no_row_that_was_acknowledged(home, whole_server):
    postgres.ensure_running(home)
    with connect(home) as connection:
        connection.execute("CREATE TABLE kept (writer int, n int)")
    acknowledged = [0] * 4

    def insert(writer: int) -> None:
        with connect(home) as connection:
            while True:
                row = (writer, acknowledged[writer] + 1)
                try:
                    connection.execute("INSERT INTO kept VALUES (%s, %s)", row)
                except psycopg.Error:
                    return
                acknowledged[writer] += 1

    writers = [threading.Thread(target=insert, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    while min(acknowledged) < 50:
        time.sleep(0.01)
    victims = processes_in(postgres._data(home)) if whole_server else [postmaster(home)]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    for writer in writers:
        writer.join(timeout=10)
    postgres.ensure_running(home)
    with connect(home) as connection:
        rows = connection.execute("SELECT writer, max(n), count(*) FROM kept GROUP BY 1")
        kept = {writer: (last, count) for writer, last, count in rows}
    for writer, promised in enumerate(acknowledged):
        last, count = kept[writer]
        assert last == count, "no row in the middle is missing"
        assert last >= promised


@needs_proc
def test_a_stale_pid_file_that_names_a_living_program(home):
    postgres.ensure_running(home)
    postgres.stop(home)
    with subprocess.Popen(["sleep", "60"], **owner_of(home)) as stranger:
        write_pid_file(home, stranger.pid)
        assert not postgres.is_running(home)
        assert not postgres.stop(home)
        postgres.ensure_running(home)
        assert stranger.poll() is None, "the other program was left alone"
        stranger.kill()
    assert ask(home, "SELECT 1") == 1


@needs_proc
def test_is_found_where_a_container_forbids_to_look_at_other_users(running, monkeypatch):
    def forbidden(*paths):
        raise PermissionError

    monkeypatch.setattr(os.path, "samefile", forbidden)
    assert postgres.is_running(running)


@needs_proc
def test_is_found_after_the_project_was_moved(home):
    postgres.ensure_running(home)
    moved = home.rename(home.with_name("moved"))
    assert postgres.is_running(moved)
    assert ask(moved, "SELECT 1") == 1
    assert postgres.stop(moved)


@needs_proc
def test_a_stale_pid_file_that_names_another_server(home, running):
    postgres.ensure_running(home)
    postgres.stop(home)
    write_pid_file(home, postmaster(running))
    assert not postgres.stop(home)
    postgres.ensure_running(home)
    assert postmaster(home) != postmaster(running)
    assert postgres.is_running(running)


@needs_proc
def test_waits_for_a_dead_server_that_is_not_collected_yet(home):
    postgres.ensure_running(home)
    postgres.stop(home)
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # ended, but still in the table
    write_pid_file(home, dead.pid)
    starter = threading.Thread(target=postgres.ensure_running, args=(home,))
    starter.start()
    starter.join(timeout=0.5)
    assert starter.is_alive()
    assert str(dead.pid) in postgres._pid_file(home).read_text(), "it is not for us to delete"
    dead.wait()
    starter.join(timeout=30)
    assert ask(home, "SELECT 1") == 1


@needs_proc
def test_gives_up_on_a_dead_server_that_nobody_collects(home, monkeypatch):
    postgres.ensure_running(home)
    postgres.stop(home)
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    write_pid_file(home, dead.pid)
    monkeypatch.setattr(postgres, "START_SECONDS", 0.3)
    with pytest.raises(postgres.PostgresError, match="docker run --init"):
        postgres.ensure_running(home)
    dead.wait()


def test_an_empty_pid_file_is_no_obstacle(home):
    postgres.ensure_running(home)
    postgres.stop(home)
    postgres._pid_file(home).write_text("")
    postgres.ensure_running(home)
    assert postgres.is_running(home)


def test_half_a_cluster_is_made_anew(home):
    (home / "postgres" / "data" / "base").mkdir(parents=True)
    (home / "postgres" / "data.half").mkdir()
    postgres.ensure_running(home)
    assert ask(home, "SELECT 1") == 1


def test_a_long_path_gets_a_short_socket(make_home):
    home = make_home("/".join(["a long way down"] * 8))
    assert "postgres/socket" not in postgres.ensure_running(home)
    assert ask(home, "SELECT 1") == 1
    directory = postgres._socket_directory(home)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_refuses_a_socket_directory_that_somebody_else_made(make_home):
    home = make_home("/".join(["a long way down"] * 8))
    directory = postgres._socket_directory(home)
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)
    with pytest.raises(postgres.PostgresError, match="not private"):
        postgres.ensure_running(home)


def test_a_start_that_fails_says_why(home):
    postgres.ensure_running(home)
    postgres.stop(home)
    with (postgres._data(home) / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(postgres.PostgresError, match="no_such_setting"):
        postgres.ensure_running(home)


def test_names_the_command_that_installs_postgresql(home, monkeypatch):
    monkeypatch.delenv("POSTGRES_BIN", raising=False)
    monkeypatch.setattr(postgres, "_binary_directories", lambda: iter(()))
    monkeypatch.setattr(postgres.shutil, "which", lambda tool: tool == "apt-get")
    with pytest.raises(postgres.PostgresError, match="apt-get install postgresql"):
        postgres.ensure_running(home)


@pytest.mark.skipif(not DEBIAN_15.exists(), reason=f"no PostgreSQL 15 in {DEBIAN_15}")
def test_data_of_version_15_is_opened_by_version_15(home, monkeypatch):
    monkeypatch.setenv("POSTGRES_BIN", str(DEBIAN_15))
    postgres.ensure_running(home)
    postgres.stop(home)
    monkeypatch.delenv("POSTGRES_BIN")
    assert postgres.binary_directory(home) == DEBIAN_15
    postgres.ensure_running(home)
    assert ask(home, "SHOW server_version").startswith("15.")


def python_of(user: str) -> list[str]:
    """A Python that this user may run; root's own may lie where nobody else can look."""
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([python, "-c", "1"], user=user, check=True)
            return [python]
    pytest.skip(f"the user {user} can't run any Python here")


@needs_root
def test_a_normal_user_runs_it_as_himself(home):
    home.mkdir()
    shutil.chown(home, "nobody")
    start = [*python_of("nobody"), "-c", START]
    packages = Path(psycopg.__file__).parent.parent
    paths = f"{postgres.PROJECT}:{packages}"
    environment = os.environ | {"TRACETRACK_VAR": str(home), "PYTHONPATH": paths}
    done = subprocess.run(
        start, user="nobody", extra_groups=[], cwd="/", env=environment, check=False, timeout=60
    )
    assert done.returncode == 0
    assert Path(f"/proc/{postmaster(home)}").stat().st_uid == home.stat().st_uid
    assert postgres.ensure_running(home) == postgres.url(home), "root may use it too"


@needs_root
def test_root_hands_it_to_another_user(running):
    assert Path(f"/proc/{postmaster(running)}").stat().st_uid != 0


@needs_root
def test_root_in_a_directory_that_nobody_else_can_enter(home):
    can = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "true"]
    if subprocess.run(can, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine allows no user namespaces")
    home.parent.chmod(0o700)
    postgres.ensure_running(home)
    assert (home / "postgres").stat().st_uid == 0
    os.kill(postmaster(home), signal.SIGKILL)
    postgres.ensure_running(home)
    assert ask(home, "SELECT 1") == 1


@needs_root
def test_another_user_is_told_whose_it_is(running):
    run = [*python_of("nobody"), "-m", "tracetrack.postgres", "status"]
    owner = (running / "postgres").stat().st_uid
    import pwd

    if pwd.getpwuid(owner).pw_name == "nobody":
        pytest.skip("the server itself runs as nobody")
    environment = os.environ | {"TRACETRACK_VAR": str(running)}
    done = subprocess.run(
        run,
        user="nobody",
        extra_groups=[],
        cwd=postgres.PROJECT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert "belongs to another user" in done.stderr
