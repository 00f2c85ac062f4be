"""Scans through the services, among all those bags: what they answer, and how long it takes."""

import argparse
import statistics
import time
import uuid
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import User
from bags.models import Bag
from bench import databases, report
from scanning import services
from tracetrack.errors import Refusal

SCANS = 1000
LABEL = "LABEL NO.{:07d} LOT NO.:BENCH, D.O.T.:30/09/2025"


def outcomes_and_times(options: argparse.Namespace) -> None:
    with databases.copy_of(databases.filled(options.bags)) as database:
        connection.settings_dict["NAME"] = database
        try:
            _check_outcomes()
            rounds = [_median_ms(number) for number in range(options.rounds)]
        finally:
            connection.close_pool()
    report.keep(
        "services",
        title="Scans through the services",
        text=(
            f"The median of {SCANS:,} calls of `scanning.services.link_child` by one client, in "
            "ms, after every outcome was checked among all those bags."
        ),
        target="One round trip; the outcomes are those of a small database.",
        options=options,
        columns=["scans", "median, ms"],
        rows=[[f"{SCANS:,}", report.spread(rounds, digits=2)]],
    )


def _check_outcomes() -> None:
    """Raises AssertionError at the first scan that is answered otherwise than expected."""
    full = Bag.objects.parents().filter(status=Bag.Status.COMPLETED).earliest("id")
    child = Bag.objects.children().filter(link__parent=full).earliest("id")
    packed = f"LABEL NO.{child.label_no} LOT NO.:{child.lot_no}"
    story = [
        (None, full.qr_id, "parent_opened"),
        (None, "SB99999", "parent_created"),
        (None, packed, "is_child"),
        ("SB99999", LABEL.format(1), "linked"),
        ("SB99999", LABEL.format(1), "already_linked"),
        ("SB99999", packed, "linked_elsewhere"),
        ("SB99999", full.qr_id, "is_parent"),
        ("SB99999", "?#!", "bad_code"),
        ("SB00000", LABEL.format(2), "unknown_parent"),
        (full.qr_id, packed, "already_linked"),
        (full.qr_id, LABEL.format(2), "parent_full"),
        *(("SB99999", LABEL.format(number), "linked") for number in range(3, 31)),
        ("SB99999", LABEL.format(31), "completed"),
    ]
    for parent, code, expected in story:
        outcome = _scan(parent, code)
        if outcome != expected:
            raise AssertionError(f"{code} into {parent}: {outcome} instead of {expected}")


def _median_ms(number: int) -> float:
    parent = f"ROOM-{number}"
    Bag.objects.create(qr_id=parent, type=Bag.Type.PARENT, capacity=SCANS, kg_per_child=1)
    packer, times = _packer(), []
    for label in range(SCANS):
        code = LABEL.format((number + 1) * 100_000 + label)
        begun = time.perf_counter()
        services.link_child(parent=parent, **_values(code, packer))
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def _scan(parent: str | None, code: str) -> str:
    values = _values(code, _packer())
    try:
        if parent is None:
            return services.open_parent(**values).outcome
        return services.link_child(parent=parent, **values).outcome
    except Refusal as refusal:
        return refusal.code


def _values(code: str, packer: User) -> dict[str, Any]:
    now = timezone.now()
    values = {"scan_id": uuid.uuid4(), "station": "PACK-1", "user": packer}
    return values | {"code": code, "scanned_at": now}


def _packer() -> User:
    return User.objects.filter(role="dispatcher").earliest("id")
