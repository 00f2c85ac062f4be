"""PostgreSQL's own load generator."""

import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.databases import environment
from tracetrack.postgres import binary_directory

THREADS = 2
WARM_UP_SECONDS = 2  # each connection first reads the catalogue and plans: not what is measured


@dataclass(frozen=True)
class Transaction:
    """When it ended (seconds since 1970) and how long it took, or waited as well (ms)."""

    ended: float
    ms: float


@dataclass(frozen=True)
class Run:
    """What came after the warm-up."""

    transactions: list[Transaction]

    @property
    def per_second(self) -> float:
        ends = [done.ended for done in self.transactions]
        return len(ends) / (max(ends) - min(ends))

    @property
    def median_ms(self) -> float:
        return statistics.median(done.ms for done in self.transactions)


def run(
    database: str,
    script: str,
    *,
    clients: int,
    seconds: int,
    rate: int | None = None,
    **variables: int,
) -> Run:
    """Let so many clients repeat the script for so long, after the warm-up.

    `rate` is transactions a second of all clients together; without it as fast as it goes. Any
    error in the script ends the benchmark.
    """
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "script").write_text(script)
        command = [binary_directory() / "pgbench", "-n", "-M", "prepared", "-f", "script"]
        command += ["-c", clients, "-j", min(clients, THREADS), "-l"]
        command += ["-T", seconds + WARM_UP_SECONDS]
        command += ["-R", rate] if rate else []
        for name, value in variables.items():
            command += ["-D", f"{name}={value}"]
        done = subprocess.run(  # noqa: S603  the server's own program
            [str(part) for part in command],
            cwd=directory,
            env=environment(database),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not re.search(r"failed transactions: 0 ", done.stdout):
            raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
        logs = Path(directory).glob("pgbench_log.*")
        transactions = [_transaction(line) for log in logs for line in log.open()]
    warm = min(done.ended for done in transactions) + WARM_UP_SECONDS
    return Run([done for done in transactions if done.ended >= warm])


def _transaction(line: str) -> Transaction:
    """A line of its log: client, number, microseconds, script, second, microsecond, ..."""
    _, _, took, _, second, microsecond, *_ = line.split()
    return Transaction(int(second) + int(microsecond) / 1e6, int(took) / 1000)
