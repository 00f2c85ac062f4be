"""The statements of the loading page: one call of one function each (`0003_functions.py`)."""

# Four index look-ups, one line, one scan, and the sum over the bill's lines (500 at most).
LOAD_PARENT = """
SELECT replayed, bill AS state, (scan).* FROM billing_load_parent(
    %(scan_id)s, %(on_id)s, %(user_id)s, %(raw)s, %(code)s, %(form)s, %(accept_empty)s,
    %(scanned_at)s)
"""

UNLOAD_PARENT = """
SELECT replayed, bill AS state, (scan).* FROM billing_unload_parent(
    %(scan_id)s, %(on_id)s, %(user_id)s, %(raw)s, %(code)s, %(scanned_at)s)
"""

RETURN_PARENT = """
SELECT replayed, ticket AS state, (scan).* FROM billing_return_parent(
    %(scan_id)s, %(on_id)s, %(user_id)s, %(raw)s, %(code)s, %(form)s, %(scanned_at)s)
"""

TAKE_BACK_RETURN = """
SELECT replayed, ticket AS state, (scan).* FROM billing_take_back_return(
    %(scan_id)s, %(on_id)s, %(user_id)s, %(raw)s, %(code)s, %(scanned_at)s)
"""

# One snapshot of a bill or a ticket for a page that looks every few seconds.
BILL_STATE = "SELECT billing_bill_state(%(on_id)s)"
TICKET_STATE = "SELECT billing_ticket_state(%(on_id)s)"

# The next number that the system gives. Gaps are allowed, so that nobody waits for a number.
NEXT_BILL = "SELECT nextval('billing_bill_number')"
NEXT_TICKET = "SELECT nextval('billing_ticket_number')"

# What is in the parents of these lines, in the order of packing; of one that came back, what was in
# it then. Indexes: bags_link_parent, billing_return_line_unique, billing_returned_child_unique.
CHILDREN_OF_LINES = """
SELECT line.id, child.qr_id, child.label_no, child.lot_no, child.tested_on, held.linked_at
FROM billing_billline line
JOIN LATERAL (
    SELECT link.id, link.child_id, link.linked_at FROM bags_link link
    WHERE link.parent_id = line.parent_id AND line.returned_at IS NULL
    UNION ALL
    SELECT was.id, was.child_id, was.linked_at FROM billing_returnline back
    JOIN billing_returnedchild was ON was.return_line_id = back.id
    WHERE back.line_id = line.id AND back.taken_back_at IS NULL AND line.returned_at IS NOT NULL
) held ON true
JOIN bags_bag child ON child.id = held.child_id
WHERE line.id = ANY(%(lines)s)
ORDER BY line.id, held.id
"""

# Until the end of the transaction, nobody else makes what this id makes.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended(%(creation_id)s, 2))"
