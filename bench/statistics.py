"""The statistics cost the same however many rows they count."""

import argparse
import statistics

from bench import databases, pgbench, report, sql

SMALL = 18_000


def at_two_sizes(options: argparse.Namespace) -> None:
    small, large = databases.filled(SMALL), databases.filled(options.bags)
    rows = []
    with databases.copy_of(small, databases.WORK + "_small") as a, databases.copy_of(large) as b:
        rows.append(_row("just folded", a, b, options))
        for database in (a, b):
            with databases.connect(database) as connection:
                connection.execute(sql.LEDGER)
        rows.append(_row("500 scans later", a, b, options))
    report.keep(
        "stats",
        title="Statistics at two sizes",
        text="`SELECT * FROM statistics_cache`: the median of one client's calls, in ms.",
        target="At most 2 ms, and the ratio at most 1.3.",
        bags=options.bags,
        columns=["ledger", f"{SMALL:,} bags, ms", f"{options.bags:,} bags, ms", "ratio"],
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
