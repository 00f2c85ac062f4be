"""Statistics in SQL."""

# All that has drifted, as (what, said, is so): the ledger against the tables, and each parent's
# count against its links. One statement is one snapshot: a row and its entry in the ledger come
# together, so their difference is the same at whatever moment it is put right. It reads all rows:
# some seconds at 1.8 million bags.
DRIFT = """
WITH counted (name, n) AS (
    SELECT 'parents', count(*) FROM bags_bag WHERE type = 'parent'
    UNION ALL SELECT 'children', count(*) FROM bags_bag WHERE type = 'child'
    UNION ALL SELECT 'links', count(*) FROM bags_link
    UNION ALL SELECT 'scans', count(*) FROM scanning_scan
    UNION ALL SELECT 'bills', count(*) FROM billing_bill
    UNION ALL SELECT 'users', count(*) FROM accounts_user
), tallied AS (
    SELECT name, sum(n)::bigint AS n FROM monitoring_tally GROUP BY name
), packed AS (
    SELECT parent_id, count(*) AS n FROM bags_link GROUP BY parent_id
)
SELECT 'tally' AS kind, counted.name, coalesce(tallied.n, 0) AS said, counted.n AS is_so
FROM counted LEFT JOIN tallied USING (name) WHERE counted.n <> coalesce(tallied.n, 0)
UNION ALL
SELECT 'parent', bag.qr_id, bag.child_count, coalesce(packed.n, 0)
FROM bags_bag bag LEFT JOIN packed ON packed.parent_id = bag.id
WHERE bag.type = 'parent' AND bag.child_count <> coalesce(packed.n, 0)
"""

# A parent's count, corrected by the difference: right also when a scan comes between.
CORRECT_PARENT = """
UPDATE bags_bag SET
    child_count = child_count + %(difference)s,
    completed_at = CASE
        WHEN child_count + %(difference)s >= capacity THEN coalesce(completed_at, now())
        WHEN child_count < capacity THEN completed_at
    END
WHERE qr_id = %(qr_id)s
"""

# Lets this transaction write child_count, which is refused otherwise.
MAY_RECOUNT = "SELECT set_config('tracetrack.recount', 'on', true)"

# The triggers that should stand in this database, and do.
TRIGGERS = """
SELECT tgrelid::regclass::text || '.' || tgname FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled <> 'D'
"""
