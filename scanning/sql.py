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
