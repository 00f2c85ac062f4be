"""The scan statement: against the same writes and nothing else, and with and without counters."""

import argparse
import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg.sql import SQL, Identifier

from bench import databases, pgbench, report, sql

_runs = itertools.count(1)


@dataclass(frozen=True)
class Arm:
    """One way to do it: its script, and the triggers that are off meanwhile (first letters)."""

    name: str
    script: str
    off: tuple[str, ...] = ()


SCAN = Arm("scan", sql.SCAN)
WITHOUT_COUNTERS = Arm("without counters", sql.SCAN, off=("monitoring_",))
BARE = Arm("bare writes", sql.BARE, off=("monitoring_", "bags_count_"))


def against_bare_writes(options: argparse.Namespace) -> None:
    report.keep(
        "scan",
        title="A scan against the same writes and nothing else",
        text=(
            "One child scan (`scanning_link_child`: look everything up, decide, write, count, "
            "answer) beside one statement that writes the same three rows, with the same indexes "
            "and foreign keys, but is told all keys, decides nothing and counts nothing."
        ),
        target="The scan reaches at least 85 % of the bare writes.",
        **_compare(SCAN, BARE, options, options.clients or [1, 8, 32, 100]),
    )


def with_and_without_counters(options: argparse.Namespace) -> None:
    report.keep(
        "counters",
        title="Scans with and without the counters",
        text="The same scan with the triggers that keep the statistics, and with them off.",
        target="With the counters at least 90 % of the scans without.",
        **_compare(SCAN, WITHOUT_COUNTERS, options, options.clients or [8, 32, 100]),
    )


def _compare(ours: Arm, other: Arm, options: argparse.Namespace, numbers: list[int]) -> dict:
    with databases.copy_of(databases.filled(options.bags)) as database:
        runs = {
            clients: _in_turns(
                [ours, other],
                options.rounds,
                lambda arm, clients=clients: one_run(
                    database, arm, clients=clients, seconds=options.seconds
                ),
            )
            for clients in numbers
        }
    return {
        "options": options,
        "columns": [
            "clients",
            *(f"{arm.name}, per second" for arm in (ours, other)),
            "share (median of rounds)",
            *(f"{arm.name}, median ms" for arm in (ours, other)),
        ],
        "rows": [_row(clients, *pairs) for clients, pairs in runs.items()],
    }


def _in_turns(
    arms: list[Arm], rounds: int, run: Callable[[Arm], pgbench.Run]
) -> list[list[pgbench.Run]]:
    """All runs of each arm. Who is first changes from round to round, so that drift hits both."""
    done: dict[str, list[pgbench.Run]] = {arm.name: [] for arm in arms}
    for number in range(rounds):
        for arm in arms if number % 2 == 0 else reversed(arms):
            done[arm.name].append(run(arm))
            print(f"  {arm.name}: {done[arm.name][-1].per_second:,.0f} per second", flush=True)
    return list(done.values())


def one_run(
    database: str, arm: Arm, *, clients: int, seconds: int, rate: int | None = None
) -> pgbench.Run:
    number = next(_runs)
    first_parent = 1_000_000_000 + number * 10_000
    with databases.connect(database) as connection:
        switch_triggers(connection, arm.off)
        connection.execute(sql.PARENTS, {"first": first_parent, "count": 20 * clients})
        (first_station,) = connection.execute(sql.FIRST_STATION).fetchone()
        (first_packer,) = connection.execute(sql.FIRST_PACKER).fetchone()
        connection.execute("CHECKPOINT")  # the same start for each
    return pgbench.run(
        database,
        sql.NEXT_LABEL + arm.script,
        clients=clients,
        seconds=seconds,
        rate=rate,
        run=number,
        n=0,
        first_parent=first_parent,
        first_station=first_station,
        first_packer=first_packer,
    )


def switch_triggers(connection: psycopg.Connection, off: tuple[str, ...]) -> None:
    """All on, but for those whose names begin with one of `off`."""
    for table, trigger in connection.execute(sql.TRIGGERS, [""]).fetchall():
        state = SQL("DISABLE" if trigger.startswith(off or ("-",)) else "ENABLE")
        statement = SQL("ALTER TABLE {} {} TRIGGER {}")
        connection.execute(statement.format(Identifier(table), state, Identifier(trigger)))


def _row(clients: int, ours: list[pgbench.Run], other: list[pgbench.Run]) -> list[str]:
    shares = [a.per_second / b.per_second for a, b in zip(ours, other, strict=True)]
    return [
        str(clients),
        *(report.spread([run.per_second for run in runs]) for runs in (ours, other)),
        report.spread([100 * share for share in shares], unit=" %"),
        *(f"{statistics.median(run.median_ms for run in runs):.2f}" for runs in (ours, other)),
    ]
