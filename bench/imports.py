"""Scanners go on while somebody imports."""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

from bench import databases, pgbench, report, scans, sql

ROWS = 200_000
OPEN_SECONDS = 5  # after the last row, before the commit
LEAD_SECONDS = 4  # scans alone, before and after; longer than the warm-up


def stalls(options: argparse.Namespace) -> None:
    """Each load with and without an import, in turns; the longest scan of each round."""
    loads = [("100 a second", 20, 100), ("as fast as it goes", 8, None)]
    rows = []
    with databases.copy_of(databases.filled(options.bags)) as database:
        for name, clients, rate in loads:
            alone, beside, lasted = [], [], []
            for number in range(options.rounds):
                importing = _round(database, clients, rate, f"{clients}-{number}")
                beside.append(importing[0])
                lasted.append(importing[1])
                alone.append(_round(database, clients, rate, None, seconds=importing[1])[0])
            rows += [
                [name, "alone", *_times(alone), "-"],
                [name, "import open", *_times(beside), report.spread(lasted, " s", digits=1)],
            ]
    report.keep(
        "import",
        title="Scans while a large import is open",
        text=(
            f"Scans while {ROWS:,} bags and links are imported in one transaction, which stays "
            f"open for {OPEN_SECONDS} s more. The longest scan of each round, in ms, "
            "its wait for a free connection included."
        ),
        target="The longest scan takes less than 100 ms.",
        options=options,
        columns=["scans", "meanwhile", "longest, ms", "p99, ms", "median, ms", "import took"],
        rows=rows,
    )


def _round(
    database: str, clients: int, rate: int | None, run: str | None, seconds: float = 20
) -> tuple[list[pgbench.Transaction], float]:
    """The scans that overlapped the import, and how long it took; all scans without `run`."""
    # Long enough for the import; what comes after it is left out below.
    length = 2 * LEAD_SECONDS + int(seconds)
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(_import, database, run) if run else None
        load = scans.one_run(database, scans.SCAN, clients=clients, seconds=length, rate=rate)
    if not importing:
        return load.transactions, 0
    begun, ended = importing.result()
    met = [
        done
        for done in load.transactions
        if done.ended >= begun and done.ended - done.ms / 1000 <= ended
    ]
    return met, ended - begun


def _import(database: str, run: str) -> tuple[float, float]:
    """When it began and ended, in seconds since 1970."""
    time.sleep(LEAD_SECONDS)
    with databases.connect(database) as connection, connection.transaction():
        begun = time.time()
        values = {"run": run, "rows": ROWS}
        for statement in (sql.IMPORT_PARENTS, sql.IMPORT_CHILDREN, sql.IMPORT_LINKS):
            connection.execute(statement, values)
        time.sleep(OPEN_SECONDS)
    return begun, time.time()


def _times(rounds: list[list[pgbench.Transaction]]) -> list[str]:
    sorted_ms = [sorted(done.ms for done in scans_) for scans_ in rounds]
    return [
        report.spread([ms[-1] for ms in sorted_ms]),
        report.spread([ms[int(len(ms) * 0.99)] for ms in sorted_ms], digits=1),
        report.spread([ms[len(ms) // 2] for ms in sorted_ms], digits=2),
    ]
