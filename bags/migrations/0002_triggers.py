"""What a constraint can't say: counts and identity kept, links made or removed, never changed."""

from django.db import migrations

IDENTITY = """
-- A bag is parent or child for life, and its code is printed on it.
CREATE FUNCTION bags_keep_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The role and the code of a bag never change: %', OLD.qr_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'bags_bag_identity';
END $$;

CREATE TRIGGER bags_keep_identity BEFORE UPDATE ON bags_bag FOR EACH ROW
    WHEN (OLD.type <> NEW.type OR OLD.qr_id <> NEW.qr_id) EXECUTE FUNCTION bags_keep_identity();
"""

DROP_IDENTITY = """
DROP TRIGGER bags_keep_identity ON bags_bag;
DROP FUNCTION bags_keep_identity();
"""

COUNTED = """
-- child_count is what the links say. Nobody types it: not a form that was open while a scan came,
-- not SQL by hand. The repair says so for its transaction (tracetrack.recount).
CREATE FUNCTION bags_keep_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('tracetrack.recount', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'The children of % are counted, not typed', OLD.qr_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'bags_bag_counted';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER bags_keep_count BEFORE UPDATE ON bags_bag FOR EACH ROW
    WHEN (OLD.child_count <> NEW.child_count AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION bags_keep_count();

-- A new capacity can make a parent full, or open a full one again.
CREATE FUNCTION bags_follow_capacity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.completed_at := CASE
        WHEN NEW.child_count >= NEW.capacity THEN coalesce(OLD.completed_at, statement_timestamp())
        WHEN OLD.child_count < OLD.capacity THEN OLD.completed_at
    END;
    RETURN NEW;
END $$;

CREATE TRIGGER bags_follow_capacity BEFORE UPDATE OF capacity ON bags_bag FOR EACH ROW
    WHEN (OLD.capacity <> NEW.capacity) EXECUTE FUNCTION bags_follow_capacity();
"""

DROP_COUNTED = """
DROP TRIGGER bags_keep_count ON bags_bag;
DROP TRIGGER bags_follow_capacity ON bags_bag;
DROP FUNCTION bags_keep_count();
DROP FUNCTION bags_follow_capacity();
"""

COUNT = """
-- child_count and completed_at of the parents whose links this statement made or removed. The CHECK
-- on the parent's row then holds the capacity, however many do it at once. Rows are locked in key
-- order, so that two statements over many parents can't wait for each other in a circle.
CREATE FUNCTION bags_count_children() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    step int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
    wrong text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT bag.qr_id INTO wrong FROM changed JOIN bags_bag bag ON bag.id = changed.child_id
            WHERE bag.type <> 'child' LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'A parent is never in another bag: %', wrong
                USING ERRCODE = 'check_violation', CONSTRAINT = 'bags_link_child_is_child';
        END IF;
    END IF;

    WITH tally AS (
        SELECT parent_id, count(*) AS n FROM changed GROUP BY parent_id
    ), locked AS (
        SELECT bag.id, tally.n FROM bags_bag bag JOIN tally ON tally.parent_id = bag.id
        ORDER BY bag.id FOR NO KEY UPDATE OF bag
    ), counted AS (
        UPDATE bags_bag bag SET
            child_count = bag.child_count + step * locked.n,
            completed_at = CASE
                WHEN step = 1 AND bag.child_count + locked.n >= bag.capacity
                THEN statement_timestamp()
            END
        FROM locked WHERE locked.id = bag.id
        RETURNING bag.qr_id, bag.dispatched_at
    )
    SELECT counted.qr_id INTO wrong FROM counted WHERE counted.dispatched_at IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The children of a dispatched parent can''t change: %', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'bags_link_parent_dispatched';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER bags_count_made AFTER INSERT ON bags_link
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bags_count_children();
CREATE TRIGGER bags_count_removed AFTER DELETE ON bags_link
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION bags_count_children();
"""

DROP_COUNT = """
DROP TRIGGER bags_count_made ON bags_link;
DROP TRIGGER bags_count_removed ON bags_link;
DROP FUNCTION bags_count_children();
"""

FIXED = """
-- A link is made and removed; changing one, or emptying the table, would pass by the counts.
CREATE FUNCTION bags_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Links are made and removed one by one, never changed'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'bags_link_fixed';
END $$;

CREATE TRIGGER bags_link_fixed BEFORE UPDATE ON bags_link
    FOR EACH STATEMENT EXECUTE FUNCTION bags_refuse_change();
CREATE TRIGGER bags_link_not_emptied BEFORE TRUNCATE ON bags_link
    FOR EACH STATEMENT EXECUTE FUNCTION bags_refuse_change();
"""

DROP_FIXED = """
DROP TRIGGER bags_link_fixed ON bags_link;
DROP TRIGGER bags_link_not_emptied ON bags_link;
DROP FUNCTION bags_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("bags", "0001_initial")]

    operations = [
        # Room in each page, so that a parent's count changes in place (HOT).
        migrations.RunSQL(
            "ALTER TABLE bags_bag SET (fillfactor = 85)", "ALTER TABLE bags_bag RESET (fillfactor)"
        ),
        migrations.RunSQL(IDENTITY, DROP_IDENTITY),
        migrations.RunSQL(COUNTED, DROP_COUNTED),
        migrations.RunSQL(COUNT, DROP_COUNT),
        migrations.RunSQL(FIXED, DROP_FIXED),
    ]
