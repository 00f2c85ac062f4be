"""SQL of the history."""

# The actions that occur, for the list's filter. Walks entry_by_action from word to word: one index
# look-up for each action, where DISTINCT would read the whole index.
ACTIONS = """
WITH RECURSIVE word AS (
    (SELECT action FROM audit_entry ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT action FROM audit_entry WHERE action > word.action ORDER BY action LIMIT 1)
    FROM word WHERE word.action IS NOT NULL
)
SELECT action FROM word WHERE action IS NOT NULL
"""
