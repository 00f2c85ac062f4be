from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from audit.record import record
from monitoring import sql
from monitoring.models import Tally


class Command(BaseCommand):
    help = (
        "Count bags, links, scans and each parent's children anew, and mend what has drifted. "
        "With --check only say so: exit code 1 on any drift. Scanners need not stop."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="name the drift, change nothing")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        # One snapshot for counts and ledger: a row and its entry in the ledger come together, so
        # their difference is the same at whatever moment it is put right.
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(sql.COUNTED)
            counted = dict(cursor.fetchall())
            cursor.execute(sql.TALLIED)
            tallied = dict(cursor.fetchall())
            cursor.execute(sql.WRONG_PARENTS)
            wrong_parents = cursor.fetchall()
        drift = list(_drift(counted, tallied))
        for name, said, is_so in drift:
            self.stdout.write(f"{name}: the statistics say {said}, there are {is_so}")
        for qr_id, said, is_so in wrong_parents:
            self.stdout.write(f"{qr_id}: child_count is {said}, there are {is_so} children")
        if not drift and not wrong_parents:
            self.stdout.write("All counts are right.")
        elif check:
            raise CommandError("Counts have drifted. Mend them with: manage.py recount")
        else:
            _mend(drift, wrong_parents)
            self.stdout.write("Mended.")


def _drift(counted: dict[str, int], tallied: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    for name, is_so in counted.items():
        said = tallied.get(name, 0)
        if said != is_so:
            yield name, said, is_so


def _mend(drift: list[tuple[str, int, int]], wrong_parents: list[tuple[str, int, int]]) -> None:
    with transaction.atomic():
        Tally.objects.bulk_create(Tally(name=name, n=is_so - said) for name, said, is_so in drift)
        with connection.cursor() as cursor:
            for qr_id, said, is_so in wrong_parents:
                values = {"qr_id": qr_id, "difference": is_so - said}
                cursor.execute(sql.CORRECT_PARENT, values)
        everything = drift + wrong_parents
        record(
            "counts.mended",
            before={name: said for name, said, _ in everything},
            after={name: is_so for name, _, is_so in everything},
        )
