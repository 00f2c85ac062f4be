"""The scan path in SQL. What the functions do stands in `migrations/0002_functions.py`."""

# One child scan. Uses the unique indexes of scan_id, qr_id and child_id: four look-ups, and three
# rows written with their two triggers.
LINK_CHILD = """
SELECT replayed, (scan).* FROM scanning_link_child(
    %(scan_id)s, %(station)s, %(user_id)s, %(raw)s, %(parent)s, %(code)s, %(form)s,
    %(label_no)s, %(lot_no)s, %(tested_on)s, %(scanned_at)s)
"""

# One parent scan. Uses the unique indexes of scan_id and qr_id.
OPEN_PARENT = """
SELECT replayed, (scan).* FROM scanning_open_parent(
    %(scan_id)s, %(station)s, %(user_id)s, %(raw)s, %(code)s, %(form)s, %(scanned_at)s)
"""

# The scan of this id, once a twin that is under way has ended. Uses the unique index of scan_id.
RECORDED = "SELECT * FROM scanning_recorded(%(scan_id)s)"

# Who holds a child. Uses primary keys, and the child index for the station.
HOLDER = "SELECT scanning_holder(%(link_id)s)"
