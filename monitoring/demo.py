"""Data to look at: a small packing day for newcomers, and a data set of the real size."""

import secrets
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import product
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Role, User
from audit.record import record
from bags.models import Bag
from billing import services as bills
from monitoring import demo_sql as sql
from scanning import services
from scanning.models import Station
from tracetrack.errors import Refusal

PEOPLE = [
    ("asha", "Asha Rao", Role.ADMIN),
    ("meena", "Meena Iyer", Role.BILLER),
    ("ravi", "Ravi Kumar", Role.DISPATCHER),
]
STATIONS = ["PACK-1", "PACK-2", "PACK-3"]
LABEL = "LABEL NO.{:07d} LOT NO.:STAR44GG24611, D.O.T.:30/09/2025"
# Where, which parent, its label numbers: three full ones and two that are still open.
PACKED = [
    ("PACK-1", "SB00001", range(16586, 16616)),
    ("PACK-2", "SB00002", range(16616, 16646)),
    ("PACK-3", "M444-00001", range(16646, 16661)),
    ("PACK-1", "SB00003", range(16661, 16673)),
    ("PACK-2", "M444-00002", range(16673, 16679)),
]
# Two bills: one that left, and one that is being loaded.
BILLS = [
    (
        {"customer": "Ram Seeds", "destination": "Nagpur", "vehicle": "MH-12-4711", "capacity": 1},
        ["M444-00001"],
    ),
    (
        {"customer": "Patel Agro", "destination": "Indore", "vehicle": "MP-09-1234", "capacity": 5},
        ["SB00002", "SB00003"],
    ),
]
# Scans that are refused, or change nothing: a full parent, elsewhere, a parent, no code, no parent.
REFUSED = [
    ("SB00001", LABEL.format(16999)),
    ("SB00003", LABEL.format(16586)),
    ("SB00003", LABEL.format(16661)),
    ("SB00003", "SB00002"),
    ("SB00003", "?#!"),
    ("SB09999", LABEL.format(17000)),
]

FIRST_NAMES = (
    *("Anil", "Bhavna", "Chetan", "Divya", "Farhan", "Geeta"),
    *("Harish", "Indu", "Kavita", "Lalit", "Manoj", "Nisha"),
)
LAST_NAMES = ("Bose", "Das", "Gupta", "Joshi", "Khan", "Mehta", "Nair", "Patel", "Reddy", "Singh")
TOWNS = ("Akola", "Amravati", "Hisar", "Indore", "Jalna", "Kota", "Latur", "Nagpur", "Patan")
MOST_OF_ONE_PRODUCT = 99_999  # codes have five digits
SPAN = timedelta(days=90)


def make_small() -> list[tuple[User, str]]:
    """People with passwords, and what they packed. All or nothing."""
    with transaction.atomic():
        people = []
        for username, full_name, role in PEOPLE:
            password = easy_password()
            user = User.objects.create_user(username, password, full_name=full_name, role=role)
            people.append((user, password))
        Station.objects.bulk_create([Station(name=at) for at in STATIONS], ignore_conflicts=True)
        _pack(packer=people[-1][0])
        _load(biller=people[1][0])
    return people


def easy_password() -> str:
    """Three syllables and four digits, e.g. "Kamobi-4729". Meets the rules for passwords."""
    syllables = [secrets.choice("bdfghkmnprstvz") + secrets.choice("aeiou") for _ in range(3)]
    return "".join(syllables).capitalize() + f"-{secrets.randbelow(9000) + 1000}"


def _pack(packer: User) -> None:
    def scan(deed: Any, station: str, **values: str) -> None:
        with suppress(Refusal):  # it is kept all the same
            now = timezone.now()
            deed(scan_id=uuid.uuid4(), station=station, user=packer, scanned_at=now, **values)

    for station, parent, numbers in PACKED:
        scan(services.open_parent, station, code=parent)
        for number in numbers:
            scan(services.link_child, station, parent=parent, code=LABEL.format(number))
    for parent, code in REFUSED:
        scan(services.link_child, "PACK-1", parent=parent, code=code)


def _load(biller: User) -> None:
    for header, parents in BILLS:
        bill, _ = bills.create_bill(user=biller, **header)
        for code in parents:
            now = timezone.now()
            bills.load_parent(
                scan_id=uuid.uuid4(), bill_id=bill.pk, user=biller, code=code, scanned_at=now
            )
        if len(parents) == header["capacity"]:
            bills.complete_bill(bill_id=bill.pk, user=biller)


def sizes(bags: int) -> tuple[int, int]:
    """How many parents and children so many bags are. Raises ValueError beyond what codes allow."""
    parents = -(-bags // 30)
    mustard = parents - parents // 15
    if mustard > MOST_OF_ONE_PRODUCT:
        raise ValueError(
            f"{bags:,} bags need {mustard:,} codes of the form SB#####. There are 99,999 of them."
        )
    return parents, bags - parents


def make_large(bags: int, seed: int) -> Iterator[tuple[str, int]]:
    """Fill a database without bags. Yields what was written and how many rows, step by step."""
    parents, children = sizes(bags)
    with transaction.atomic(), connection.cursor() as cursor:
        packers, billers = _people()
        values = {
            "bags": bags,
            "parents": parents,
            "children": children,
            "seed": seed,
            "span": SPAN,
            "start": timezone.now() - SPAN,
            "stations": _stations(),
            "packers": packers,
            "packer_count": len(packers),
            "billers": billers,
            "biller_count": len(billers),
            "towns": list(TOWNS),
            "town_count": len(TOWNS),
        }
        for statement in (sql.PACK, sql.LABEL):
            cursor.execute(statement, values)
        cursor.execute("ANALYZE demo_bag, demo_label")
        cursor.execute(sql.DROP_PARTS)
        for name, statement in (("bags", sql.BAGS), ("links", sql.LINKS), ("scans", sql.SCANS)):
            cursor.execute(statement, values)
            yield name, cursor.rowcount
        cursor.execute(sql.COMPLETED_AT)
        for name, statement in (("bills", sql.BILLS), ("lines", sql.LINES)):
            cursor.execute(statement, values)
            yield name, cursor.rowcount
        cursor.execute(sql.LOADED, values)
        cursor.execute(sql.CHECK_KEYS)
        for statement in (sql.REST, sql.COMPLETED_BILLS, sql.WATCH):
            cursor.execute(statement, values)
        cursor.execute(sql.MAKE_PARTS)
        cursor.execute(sql.SEQUENCES)
        cursor.execute(sql.FOLD)
        cursor.execute(sql.ANALYZE_ALL)
        record("demo.made", after={"bags": bags, "seed": seed})


def is_empty() -> bool:
    return not Bag.objects.exists()


def _people() -> tuple[list[int], list[int]]:
    """120 who can't sign in: 3 admins, 12 billers, and the rest, who pack: packers and billers."""
    nobodys = make_password(None)
    roles = [Role.ADMIN] * 3 + [Role.BILLER] * 12 + [Role.DISPATCHER] * 105
    people = [
        User(username=f"{a}.{b}".lower(), full_name=f"{a} {b}", role=role, password=nobodys)
        for (a, b), role in zip(product(FIRST_NAMES, LAST_NAMES), roles, strict=True)
    ]
    User.objects.bulk_create(people, ignore_conflicts=True)

    def keys(role: Role) -> list[int]:
        names = [person.username for person in people if person.role == role]
        found = User.objects.filter(username__in=names).order_by("pk")
        return list(found.values_list("pk", flat=True))

    return keys(Role.DISPATCHER), keys(Role.BILLER)


def _stations() -> list[int]:
    names = [f"PACK-{number}" for number in range(1, 41)]
    Station.objects.bulk_create([Station(name=name) for name in names], ignore_conflicts=True)
    return list(Station.objects.filter(name__in=names).order_by("pk").values_list("pk", flat=True))
