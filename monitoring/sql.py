"""Statistics in SQL."""

# What each name of the ledger counts, by the tables themselves: for the check and the repair.
# Sequential scans over all rows: some seconds at 1.8 million bags.
COUNTED = """
SELECT 'parents', count(*) FROM bags_bag WHERE type = 'parent'
UNION ALL SELECT 'children', count(*) FROM bags_bag WHERE type = 'child'
UNION ALL SELECT 'links', count(*) FROM bags_link
UNION ALL SELECT 'scans', count(*) FROM scanning_scan
UNION ALL SELECT 'users', count(*) FROM accounts_user
"""

# The ledger's sums. One pass over some thousand rows at the most.
TALLIED = "SELECT name, sum(n)::bigint FROM monitoring_tally GROUP BY name"

# Parents whose count differs from their links. One pass over bags' parents and links.
WRONG_PARENTS = """
SELECT bag.qr_id, bag.child_count, coalesce(link.n, 0) AS counted
FROM bags_bag bag
LEFT JOIN (SELECT parent_id, count(*) AS n FROM bags_link GROUP BY parent_id) link
    ON link.parent_id = bag.id
WHERE bag.type = 'parent' AND bag.child_count <> coalesce(link.n, 0)
ORDER BY bag.id
"""

# A parent's count, corrected by the difference: right also when a scan comes between.
CORRECT_PARENT = """
UPDATE bags_bag SET child_count = child_count + %(difference)s WHERE qr_id = %(qr_id)s
"""

# The triggers that should stand in this database, and do.
TRIGGERS = """
SELECT tgrelid::regclass::text || '.' || tgname FROM pg_trigger
WHERE NOT tgisinternal AND tgenabled <> 'D'
"""
