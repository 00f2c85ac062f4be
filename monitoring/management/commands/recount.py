from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, connection, transaction

from audit.record import record
from monitoring import sql
from monitoring.models import Tally


class Drift(NamedTuple):
    """A count that is wrong: `kind` is "tally" (the ledger) or "parent" (its child_count)."""

    kind: str
    name: str
    said: int
    is_so: int


class Command(BaseCommand):
    help = (
        "Count bags, links, scans, bills, users and each parent's children anew, and mend what has "
        "drifted. With --check only say so: exit code 1 on any drift. Scanners need not stop."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="name the drift, change nothing")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.DRIFT)
            drifts = [Drift(*row) for row in cursor.fetchall()]
        for drift in drifts:
            what = "the statistics say" if drift.kind == "tally" else "its child_count is"
            self.stdout.write(f"{drift.name}: {what} {drift.said}, there are {drift.is_so}")
        if not drifts:
            self.stdout.write("All counts are right.")
        elif check:
            raise CommandError("Counts have drifted. Mend them with: manage.py recount")
        else:
            for drift in _mend(drifts):
                self.stdout.write(f"{drift.name} can't be mended: it has more than its capacity.")
            self.stdout.write("Mended.")


def _mend(drifts: list[Drift]) -> list[Drift]:
    """Add the differences; return those that a rule refused. A scan in between counts as always."""
    left = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.MAY_RECOUNT)
        for drift in drifts:
            try:
                with transaction.atomic():
                    _add(drift, drift.is_so - drift.said, cursor)
            except IntegrityError:
                left.append(drift)
        mended = [drift for drift in drifts if drift not in left]
        record(
            "counts.mended",
            before={drift.name: drift.said for drift in mended},
            after={drift.name: drift.is_so for drift in mended},
        )
    return left


def _add(drift: Drift, difference: int, cursor: Any) -> None:
    if drift.kind == "tally":
        Tally.objects.create(name=drift.name, n=difference)
    else:
        cursor.execute(sql.CORRECT_PARENT, {"qr_id": drift.name, "difference": difference})
