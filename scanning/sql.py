"""The scan path in SQL. What the functions do stands in `migrations/0004_queue_functions.py`."""

# One child scan. Uses the unique indexes of device_id, scan_id, qr_id and child_id: five look-ups,
# three rows written with their two triggers, and the device's row.
LINK_CHILD = """
SELECT replayed, moved, exception_id, (scan).* FROM scanning_link_child(
    %(scan_id)s, %(station)s, %(user_id)s, %(raw)s, %(parent)s, %(code)s, %(form)s,
    %(label_no)s, %(lot_no)s, %(tested_on)s, %(scanned_at)s,
    %(switch)s, %(holder)s, %(sent)s)
"""

# One parent scan. Uses the unique indexes of device_id, scan_id and qr_id.
OPEN_PARENT = """
SELECT replayed, exception_id, (scan).* FROM scanning_open_parent(
    %(scan_id)s, %(station)s, %(user_id)s, %(raw)s, %(code)s, %(form)s, %(scanned_at)s, %(sent)s)
"""

# Before an item that is no scan is judged: who sends it, and what was answered if it came before.
# Uses the unique indexes of device_id and item_id.
BEGIN_ITEM = "SELECT * FROM scanning_begin_item(%(item_id)s, %(user_id)s, %(sent)s)"

# What a device says, kept: true where the device is this person's. Uses the index of device_id.
HEAR = """
SELECT scanning_hear(scanning_device_id(%(sent)s, %(user_id)s), %(sent)s)
"""

# The station board: each station with its last scan and its open exceptions. Uses the station index
# once for each station, and the small index of open exceptions once. (With = in place of BETWEEN,
# and one station that makes nearly all scans, the planner walks the primary key backwards: for a
# station that never scanned that was 1.6 s over 2.8 million scans.)
STATIONS = """
SELECT station.id, station.name, station.is_active, last.recorded_at, last.person,
    last.parent_code, last.child_count, last.capacity, coalesce(waits.exceptions, 0) AS exceptions
FROM scanning_station station
LEFT JOIN LATERAL (
    SELECT scan.recorded_at, coalesce(nullif(person.full_name, ''), person.username) AS person,
        parent.qr_id AS parent_code, parent.child_count, parent.capacity
    FROM scanning_scan scan
    JOIN accounts_user person ON person.id = scan.user_id
    LEFT JOIN bags_bag parent ON parent.id = scan.parent_id AND parent.status <> 'completed'
    WHERE scan.station_id BETWEEN station.id AND station.id
    ORDER BY scan.station_id, scan.id DESC LIMIT 1
) last ON true
LEFT JOIN (
    SELECT station_id, count(*) AS exceptions FROM scanning_scanexception
    WHERE resolved_at IS NULL GROUP BY station_id
) waits ON waits.station_id = station.id
"""

# The station board: what came in since a moment, by station and minute (0 is the latest), and how
# many of those links were taken back, by station. Uses the BRIN index of the day, the index of an
# undo's scan from the first of those scans on, and the primary key of each scan that was undone.
MINUTES = """
WITH recent AS MATERIALIZED (
    SELECT id, station_id, outcome, late, link_id,
        floor(date_part('epoch', %(now)s - recorded_at) / 60)::int AS minute
    FROM scanning_scan WHERE recorded_at > %(since)s AND recorded_at <= %(now)s
)
SELECT station_id, minute, count(*) AS scans, count(*) FILTER (WHERE late) AS late,
    count(*) FILTER (WHERE outcome = ANY(%(refused)s)) AS refused, count(link_id) AS links,
    0 AS undone
FROM recent GROUP BY station_id, minute
UNION ALL
SELECT (SELECT station_id FROM scanning_scan WHERE id = undo.scan_id), 0, 0, 0, 0, 0, count(*)
FROM scanning_undo undo WHERE undo.scan_id >= (SELECT min(id) FROM recent) GROUP BY 1
"""
