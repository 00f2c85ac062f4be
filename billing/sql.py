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
