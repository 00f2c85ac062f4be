"""Compares what pages promised with what the database holds."""

from collections import Counter, defaultdict

import psycopg

from tests.faults.chromium import Scan

GOOD = {"parent_created", "parent_opened", "linked", "completed"}

SCANS = """
    SELECT station.name, scan.raw, scan.outcome, scan.device_id, scan.seq, child.qr_id
    FROM scanning_scan scan JOIN scanning_station station ON station.id = scan.station_id
    LEFT JOIN bags_bag child ON child.id = scan.child_id
    WHERE station.name = ANY(%s) ORDER BY scan.id
"""
LINKS = """
    SELECT child.qr_id, parent.qr_id FROM bags_link
    JOIN bags_bag child ON child.id = child_id JOIN bags_bag parent ON parent.id = parent_id
"""
DEVICES = """
    SELECT device.device_id, device.heard::text, device.issued, device.waiting
    FROM scanning_device device
    WHERE id IN (
        SELECT scan.device_id FROM scanning_scan scan
        JOIN scanning_station station ON station.id = scan.station_id WHERE station.name = ANY(%s)
    )
"""


def violations(url: str, history: list[Scan]) -> list[str]:
    """Each broken promise in one line, which begins with its kind."""
    stations = list({scan.station for scan in history})
    with psycopg.connect(url) as database:
        rows = database.execute(SCANS, [stations]).fetchall()
        links = dict(database.execute(LINKS).fetchall())
        devices = database.execute(DEVICES, [stations]).fetchall()
    return [
        *_amounts(history, rows),
        *_parents(history, rows, links),
        *_order(history, rows),
        *_gaps(devices),
    ]


def _amounts(history: list[Scan], rows: list[tuple]) -> list[str]:
    """What the page promised is there, once; what it did not may be there or not."""
    there = Counter((station, raw) for station, raw, *_ in rows)
    pulled = Counter((scan.station, scan.raw) for scan in history)
    promised = Counter((scan.station, scan.raw) for scan in history if scan.safe)
    lost = [f"lost: {key}" for key in pulled if there[key] < promised[key]]
    doubled = [f"doubled: {key} {there[key]} times" for key in pulled if there[key] > pulled[key]]
    strange = [f"never scanned: {key}" for key in there if key not in pulled]
    refused = [f"refused: {raw} {outcome}" for _, raw, outcome, *_ in rows if outcome not in GOOD]
    return lost + doubled + strange + refused


def _parents(history: list[Scan], rows: list[tuple], links: dict[str, str]) -> list[str]:
    """Each child lies in the parent that was open on its page."""
    meant = {scan.raw: scan.parent for scan in history if scan.parent}
    child_of = {raw: child for _, raw, _, _, _, child in rows if child}
    found = []
    for raw, parent in meant.items():
        lies_in = links.get(child_of.get(raw))
        if raw in child_of and lies_in != parent:
            found.append(f"wrong parent: {raw} is in {lies_in}, not in {parent}")
    return found


def _order(history: list[Scan], rows: list[tuple]) -> list[str]:
    """The rows of a device follow its numbers, those of a station the hand of its person."""
    pulled, stored, numbers = defaultdict(list), defaultdict(list), defaultdict(list)
    for scan in history:
        pulled[scan.station].append(scan.raw)
    for station, raw, _, device, seq, _ in rows:
        stored[station].append(raw)
        numbers[device].append(seq)
    found = [
        f"out of order: device {device} {one} before {next_one}"
        for device, of_device in numbers.items()
        for one, next_one in zip(of_device, of_device[1:], strict=False)
        if one is None or next_one is None or one >= next_one
    ]
    for station, raws in stored.items():
        remaining = iter(pulled[station])
        if not all(raw in remaining for raw in raws):
            found.append(f"out of order: {station}")
    return found


def _gaps(devices: list[tuple]) -> list[str]:
    return [
        f"gap: device {device} heard {heard} of {issued}, {waiting} wait"
        for device, heard, issued, waiting in devices
        if heard != f"{{[1,{issued + 1})}}" or waiting
    ]
