"""The scale data set in SQL: set-based, so that 1.8 million bags take a minute or two.

40 stations pack side by side, so a parent's children lie between those of 39 others, as in real
work. Everything random comes from a hash of the row's number and the seed: the same seed makes the
same rows, whichever way the server runs the query.
"""

# One row for each bag, in the order of packing. `nth` is 0 for the parent and else the child's
# place in it; `links` counts the children so far. One sort of all rows.
PACK = """
CREATE TEMPORARY TABLE demo_bag ON COMMIT DROP AS
WITH parent AS (
    SELECT no, no / 40 AS batch, mod(no, 40) AS lane,
        CASE mod(no, 15) WHEN 14 THEN 15 ELSE 30 END AS capacity,
        30 * no - 15 * (no / 15) AS children_before
    FROM generate_series(0, %(parents)s::bigint - 1) AS no
), bag AS MATERIALIZED (
    SELECT parent.*, nth,
        row_number() OVER work AS id,
        count(*) FILTER (WHERE nth > 0) OVER work AS links
    FROM parent CROSS JOIN generate_series(0, 30) AS nth
    WHERE nth = 0 OR (nth <= capacity AND children_before + nth <= %(children)s)
    WINDOW work AS (ORDER BY batch, nth, lane ROWS UNBOUNDED PRECEDING)
)
SELECT bag.id, bag.no, bag.nth, bag.capacity, bag.links,
    opened.id AS parent_id,
    CASE WHEN bag.capacity = 15
        THEN 'M444-' || lpad((bag.no / 15 + 1)::text, 5, '0')
        ELSE 'SB' || lpad((bag.no - bag.no / 15 + 1)::text, 5, '0')
    END AS parent_code,
    (bag.children_before + bag.nth - 1) / 4000 AS lot,
    mod(bag.children_before + bag.nth - 1, 4000) AS in_lot,
    %(start)s::timestamptz + bag.id * (%(span)s::interval / %(bags)s) AS at,
    (%(stations)s::bigint[])[1 + bag.lane] AS station_id,
    -- Another shift every 6 parents.
    (%(packers)s::bigint[])[1 + mod(bag.lane + bag.batch / 6 * 40, %(packer_count)s)] AS user_id,
    hashint8extended(bag.id, %(seed)s) AS dice
FROM bag JOIN bag opened ON opened.no = bag.no AND opened.nth = 0
"""

# The label of each child: a lot has 4,000 labels in a row.
LABEL = """
CREATE TEMPORARY TABLE demo_label ON COMMIT DROP AS
WITH lot AS (
    SELECT lot, abs(mod(hashint8extended(lot, %(seed)s), 20000)) AS first_label,
        'STAR' || 24 + mod(lot, 2) || 'GG'
            || lpad(mod(24611 + %(seed)s * 31 + lot * 7919, 100000)::text, 5, '0') AS lot_no
    FROM generate_series(0, %(children)s::bigint / 4000) AS lot
)
SELECT bag.id, lot.lot_no, lpad((lot.first_label + bag.in_lot + 1)::text, 7, '0') AS label_no,
    (%(start)s::timestamptz AT TIME ZONE 'UTC')::date - mod(lot.first_label, 200)::int AS tested_on
FROM demo_bag bag JOIN lot ON lot.lot = bag.lot
WHERE bag.nth > 0
"""

# Both kinds of bags. The links' trigger counts the children afterwards.
BAGS = """
INSERT INTO bags_bag (id, qr_id, type, created_at, product_id, capacity, kg_per_child,
    label_no, lot_no, tested_on)
SELECT bag.id, coalesce(label.lot_no || ':' || label.label_no, bag.parent_code),
    CASE bag.nth WHEN 0 THEN 'parent' ELSE 'child' END, bag.at, product.id,
    CASE bag.nth WHEN 0 THEN bag.capacity END, CASE bag.nth WHEN 0 THEN 1 END,
    coalesce(label.label_no, ''), coalesce(label.lot_no, ''), label.tested_on
FROM demo_bag bag
LEFT JOIN demo_label label ON label.id = bag.id
LEFT JOIN bags_product product ON bag.nth = 0
    AND product.pattern = CASE bag.capacity WHEN 15 THEN 'M444-#####' ELSE 'SB#####' END
ORDER BY bag.id
"""

LINKS = """
INSERT INTO bags_link (id, child_id, parent_id, linked_at, linked_by_id)
SELECT links, id, parent_id, at, user_id FROM demo_bag WHERE nth > 0 ORDER BY id
"""

# The trigger knows only the present moment.
COMPLETED_AT = """
UPDATE bags_bag parent SET completed_at = bag.at FROM demo_bag bag
WHERE bag.parent_id = parent.id AND bag.nth = bag.capacity
"""

# Each bag's own scan, and after one in nine another one that links nothing.
SCANS = """
WITH pull AS (
    SELECT bag.*, 0 AS extra, CASE nth WHEN 0 THEN 'parent_created' WHEN capacity THEN 'completed'
        ELSE 'linked' END AS outcome
    FROM demo_bag bag
    UNION ALL
    SELECT bag.*, 1, CASE
        WHEN nth = capacity THEN 'parent_full'
        WHEN nth = 0 OR dice & 15 < 2 THEN 'parent_opened'
        WHEN dice & 15 < 9 THEN 'already_linked'
        WHEN dice & 15 < 12 THEN 'linked_elsewhere'
        WHEN dice & 15 < 14 THEN 'bad_code'
        WHEN dice & 15 < 15 THEN 'is_parent'
        ELSE 'unknown_parent' END
    FROM demo_bag bag WHERE mod(dice >> 8, 9) = 0
), read AS (
    SELECT pull.*,
        CASE WHEN outcome IN ('already_linked', 'unknown_parent') OR extra = 0 AND pull.nth > 0
            THEN pull.id
            WHEN outcome = 'linked_elsewhere' THEN other.id END AS bag_id,
        other.parent_code AS other_parent, other.at AS other_at, other.station_id AS other_station,
        other.user_id AS other_user
    -- Who packed at the same time one parent before: 40 stations, 31 scans each.
    FROM pull LEFT JOIN demo_bag other
        ON outcome = 'linked_elsewhere' AND other.id = pull.id - 1240 AND other.nth > 0
    WHERE outcome <> 'linked_elsewhere' OR other.id IS NOT NULL
), worded AS (
    SELECT read.*,
        CASE WHEN outcome = 'bad_code' THEN ''
            WHEN outcome = 'parent_full' THEN 'SPARE ' || read.id
            ELSE coalesce(label.lot_no || ':' || label.label_no, parent_code) END AS code,
        'LABEL NO.' || label.label_no || ' LOT NO.:' || label.lot_no || ', D.O.T.:'
            || to_char(label.tested_on, 'DD/MM/YYYY') AS label_text
    FROM read LEFT JOIN demo_label label ON label.id = read.bag_id
)
INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
    parent_id, child_id, link_id, child_count, capacity, parent_status, held_by, scanned_at,
    recorded_at)
SELECT md5(pull.id || '.' || extra || '.' || %(seed)s)::uuid, outcome,
    CASE outcome WHEN 'bad_code' THEN '?#' || pull.id ELSE coalesce(label_text, code) END, code,
    CASE WHEN outcome IN ('parent_created', 'parent_opened') THEN ''
        WHEN outcome = 'unknown_parent' THEN 'SB00000' ELSE parent_code END,
    pull.station_id, pull.user_id,
    CASE WHEN outcome <> 'unknown_parent' THEN parent_id END,
    CASE WHEN outcome <> 'unknown_parent' THEN bag_id END,
    CASE WHEN extra = 0 AND nth > 0 THEN links END,
    CASE WHEN outcome <> 'unknown_parent' THEN nth END,
    CASE WHEN outcome <> 'unknown_parent' THEN pull.capacity END,
    CASE WHEN outcome = 'unknown_parent' THEN NULL WHEN nth = 0 THEN 'pending'
        WHEN nth = pull.capacity THEN 'completed' ELSE 'in_progress' END,
    CASE outcome WHEN 'linked_elsewhere' THEN jsonb_build_object('qr_id', other_parent, 'by',
        coalesce(nullif(person.full_name, ''), person.username), 'at', other_at, 'station',
        station.name) END,
    at + extra * interval '1 microsecond' - interval '300 milliseconds',
    at + extra * interval '1 microsecond'
FROM worded pull
LEFT JOIN accounts_user person ON person.id = other_user
LEFT JOIN scanning_station station ON station.id = other_station
ORDER BY pull.id, extra
"""

# One bill for every 30 parents in the order of packing, one parent in sixteen left out. It is made
# an hour after its last parent was opened.
BILLS = """
INSERT INTO billing_bill (id, number, description, customer, destination, vehicle, capacity,
    created_at, created_by_id)
SELECT 1 + bill, 'BILL-' || lpad((1 + bill)::text, 5, '0'), 'Kharif seed', town || ' Seeds',
    town, 'MH-' || 10 + mod(bill, 40) || '-' || 1000 + mod(bill * 7919, 9000), 30,
    opened_at + interval '1 hour', (%(billers)s::bigint[])[1 + mod(bill, %(biller_count)s)]
FROM (
    SELECT no / 30 AS bill, max(at) AS opened_at FROM demo_bag WHERE nth = 0 GROUP BY 1
) made
CROSS JOIN LATERAL (SELECT (%(towns)s::text[])[1 + mod(bill * 31, %(town_count)s)] AS town) which
ORDER BY bill
"""

LINES = """
INSERT INTO billing_billline (bill_id, parent_id, loaded_at, loaded_by_id)
SELECT bill.id, bag.id, bill.created_at + interval '1 minute' * mod(bag.no, 30),
    bill.created_by_id
FROM demo_bag bag JOIN billing_bill bill ON bill.id = 1 + bag.no / 30
WHERE bag.nth = 0 AND bag.dice & 15 > 0
ORDER BY bag.no
"""

LOADED = """
INSERT INTO billing_billscan (scan_id, deed, outcome, raw, code, bill_id, parent_id, line_id,
    child_count, capacity, user_id, scanned_at, recorded_at)
SELECT md5('load.' || line.id || '.' || %(seed)s)::uuid, 'load', 'loaded', parent.qr_id,
    parent.qr_id, line.bill_id, parent.id, line.id, parent.child_count, parent.capacity,
    line.loaded_by_id, line.loaded_at, line.loaded_at
FROM billing_billline line JOIN bags_bag parent ON parent.id = line.parent_id ORDER BY line.id
"""

# The trigger knows only the present moment, so it rests: the truck left two hours later. The bills
# of the last two days are still open.
REST = "ALTER TABLE billing_bill DISABLE TRIGGER billing_keep_bill"
COMPLETED_BILLS = """
UPDATE billing_bill SET completed_at = created_at + interval '2 hours',
    completed_by_id = created_by_id
WHERE created_at < %(start)s::timestamptz + %(span)s::interval - interval '2 days'
    AND line_count > 0
"""
WATCH = "ALTER TABLE billing_bill ENABLE TRIGGER billing_keep_bill"

# Keys were given above, so the sequences go on behind them.
SEQUENCES = """
SELECT setval(pg_get_serial_sequence('bags_bag', 'id'), (SELECT max(id) FROM bags_bag)),
    setval(pg_get_serial_sequence('bags_link', 'id'), (SELECT max(id) FROM bags_link)),
    setval(pg_get_serial_sequence('billing_bill', 'id'), (SELECT max(id) FROM billing_bill)),
    setval('billing_bill_number', (SELECT max(id) FROM billing_bill))
"""

# Foreign keys are checked at the end of a transaction; until then a table can't be indexed.
CHECK_KEYS = "SET CONSTRAINTS ALL IMMEDIATE"

# Built in one go at the end, the index of parts of codes takes a third of the time.
DROP_PARTS = "DROP INDEX bags_bag_part"
MAKE_PARTS = "CREATE INDEX bags_bag_part ON bags_bag USING gin (qr_id gin_trgm_ops)"

FOLD = "SELECT monitoring_fold()"
ANALYZE_ALL = (
    "ANALYZE accounts_user, scanning_station, bags_bag, bags_link, scanning_scan, billing_bill,"
    " billing_billline, billing_billscan, monitoring_tally"
)
