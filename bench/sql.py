"""What the benchmarks run on the server. Scripts are pgbench's: \\set, and :name for a variable.

Each client counts `n` up and so scans a label that nobody has scanned, into a parent of its own:
that is NEXT_LABEL, with which the scripts begin.
"""

# Parents with much room, 20 for each client, known by their key. Run after run other ones.
PARENTS = """
INSERT INTO bags_bag (id, qr_id, type, capacity, kg_per_child)
SELECT no, 'BENCH-' || no, 'parent', 10000, 1
FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s - 1) AS no
"""

# The keys of the first station and of the first packer; the others follow without a gap.
FIRST_STATION = "SELECT id FROM scanning_station WHERE name = 'PACK-1'"
FIRST_PACKER = "SELECT min(id) FROM accounts_user WHERE role = 'dispatcher'"

NEXT_LABEL = r"""
\set n :n + 1
\set parent :first_parent + :client_id * 20 + :n / 5000
\set packer :first_packer + mod(:client_id, 100)
\set place mod(:client_id, 40)
"""

# As the application does it.
SCAN = r"""
SELECT replayed, (scan).*
FROM (SELECT 'B' || :run || 'C' || :client_id AS lot, lpad((:n)::text, 7, '0') AS label) AS read,
    scanning_link_child(gen_random_uuid(), 'PACK-' || (:place + 1), :packer,
        'LABEL NO.' || label || ' LOT NO.:' || lot || ', D.O.T.:30/09/2025', 'BENCH-' || :parent,
        lot || ':' || label, 'label', label, lot, '2025-09-30', now());
"""

# The cheapest correct form of the same writes: it looks nothing up and decides nothing. Who calls
# it knows all keys, that the child is new, and that the parent has room.
BARE = r"""
\set station :first_station + :place
WITH read AS (
    SELECT 'B' || :run || 'C' || :client_id AS lot, lpad((:n)::text, 7, '0') AS label
), child AS (
    INSERT INTO bags_bag (qr_id, type, label_no, lot_no, tested_on)
    SELECT lot || ':' || label, 'child', label, lot, '2025-09-30' FROM read RETURNING id
), link AS (
    INSERT INTO bags_link (child_id, parent_id, linked_by_id)
    SELECT id, :parent, :packer FROM child RETURNING id
)
INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
    parent_id, child_id, link_id, child_count, capacity, parent_status, scanned_at)
SELECT gen_random_uuid(), 'linked',
    'LABEL NO.' || label || ' LOT NO.:' || lot || ', D.O.T.:30/09/2025', lot || ':' || label,
    'BENCH-' || :parent, :station, :packer, :parent, child.id, link.id, :n, 10000, 'in_progress',
    now()
FROM read, child, link;
"""

# Triggers whose names begin so, with the tables they stand on.
TRIGGERS = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger
WHERE NOT tgisinternal AND starts_with(tgname, %s)
"""

# An import's own bags, and their links in turns of 30.
IMPORT_PARENTS = """
INSERT INTO bags_bag (qr_id, type, capacity, kg_per_child)
SELECT 'IMPORT-' || %(run)s || '-' || no, 'parent', 30, 1
FROM generate_series(0, (%(rows)s - 1) / 30) AS no
"""
IMPORT_CHILDREN = """
INSERT INTO bags_bag (qr_id, type, label_no, lot_no)
SELECT 'I' || %(run)s || ':' || lpad(no::text, 7, '0'), 'child', lpad(no::text, 7, '0'),
    'I' || %(run)s
FROM generate_series(0, %(rows)s - 1) AS no
"""
IMPORT_LINKS = """
INSERT INTO bags_link (child_id, parent_id)
SELECT child.id, parent.id
FROM generate_series(0, %(rows)s - 1) AS no
JOIN bags_bag child ON child.qr_id = 'I' || %(run)s || ':' || lpad(no::text, 7, '0')
JOIN bags_bag parent ON parent.qr_id = 'IMPORT-' || %(run)s || '-' || no / 30
"""

STATISTICS = "SELECT * FROM statistics_cache;"

# The ledger as it is between two folds, about 500 scans apart.
LEDGER = """
INSERT INTO monitoring_tally (name, slot, n)
SELECT (ARRAY['children', 'links', 'scans'])[1 + mod(no, 3)],
    CASE mod(no, 3) WHEN 2 THEN date_bin('15 minutes', now(), '2000-01-01Z') END, 1
FROM generate_series(1, 1500) AS no
"""

# The server's settings that decide what a commit costs.
SETTINGS = """
SELECT name, current_setting(name) FROM unnest(ARRAY['server_version', 'fsync',
    'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_connections']) AS name
"""
