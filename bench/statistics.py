"""The statistics cost the same however many rows they count."""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench import databases, pgbench, report, scans, sql

SMALL = 18_000
LEAD_SECONDS = 15  # of scans before the first look, so that the ledger is as it is in real work


def at_two_sizes(options: argparse.Namespace) -> None:
    sizes = (SMALL, options.bags)
    small, large = map(databases.filled, sizes)
    rows = []
    with databases.copy_of(small, databases.WORK + "_small") as a, databases.copy_of(large) as b:
        rows.append(_row("just folded", a, b, options))
        for database in (a, b):
            with databases.connect(database) as connection:
                connection.execute(sql.LEDGER)
        rows.append(_row("500 scans later", a, b, options))
        for name, rate in (("100 scans a second", 100), ("scans as fast as it goes", None)):
            rows.append(_row_beside_scans(name, a, b, options, rate))
    report.keep(
        "stats",
        title="Statistics at two sizes",
        text="`SELECT * FROM statistics_cache`: the median of one client's calls, in ms.",
        target="At most 2 ms, and the ratio at most 1.3.",
        options=options,
        columns=["ledger, or meanwhile", *(f"{bags:,} bags, ms" for bags in sizes), "ratio"],
        rows=rows,
    )


def _row(name: str, small: str, large: str, options: argparse.Namespace) -> list[str]:
    times: dict[str, list[float]] = {small: [], large: []}
    for number in range(options.rounds):
        for database in (small, large) if number % 2 == 0 else (large, small):
            run = pgbench.run(database, sql.STATISTICS, clients=1, seconds=2)
            times[database].append(run.median_ms)
    ratios = [b / a for a, b in zip(times[small], times[large], strict=True)]
    spreads = [report.spread(ms, digits=3) for ms in times.values()]
    return [name, *spreads, f"{statistics.median(ratios):.2f}"]


def _row_beside_scans(
    name: str, small: str, large: str, options: argparse.Namespace, rate: int | None
) -> list[str]:
    times = []
    for database in (small, large):
        with ThreadPoolExecutor(1) as pool:
            length = LEAD_SECONDS + 5 * options.rounds
            load = pool.submit(
                scans.one_run, database, scans.SCAN, clients=8, seconds=length, rate=rate
            )
            time.sleep(LEAD_SECONDS)
            looks = [
                pgbench.run(database, sql.STATISTICS, clients=1, seconds=1).median_ms
                for _ in range(options.rounds)
            ]
            load.result()
        times.append(looks)
    small_ms, large_ms = map(statistics.median, times)
    return [name, *(report.spread(ms, digits=3) for ms in times), f"{large_ms / small_ms:.2f}"]
