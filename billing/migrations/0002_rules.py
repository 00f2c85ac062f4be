"""What a constraint can't say about bills: lines counted, completed ones fixed, parents stamped.

Whoever locks more than one of them locks the ticket first, then bills, then parents, each kind in
the order of its keys, and children last.
"""

from django.db import migrations

NUMBERS = """
-- The numbers that the system gives: BILL-00001, RET-00001.
CREATE SEQUENCE billing_bill_number;
CREATE SEQUENCE billing_ticket_number;
"""

DROP_NUMBERS = """
DROP SEQUENCE billing_bill_number;
DROP SEQUENCE billing_ticket_number;
"""

BILL = """
-- A bill is made new. A completed one changes in one way: it is opened again, by somebody, for a
-- reason. Nothing that came back may be on it, for what was dispatched stays provable.
CREATE FUNCTION billing_keep_bill() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    edited boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.line_count <> 0 OR NEW.completed_at IS NOT NULL OR NEW.reopened_at IS NOT NULL THEN
            RAISE EXCEPTION 'A bill is made new and empty: %', NEW.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_made_new';
        END IF;
        NEW.version := 1;
        RETURN NEW;
    END IF;

    IF NEW.line_count <> OLD.line_count AND pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'The parents on % are counted, not typed', OLD.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_counted';
    END IF;
    IF (NEW.id, NEW.created_at, NEW.created_by_id, NEW.creation_id)
        IS DISTINCT FROM (OLD.id, OLD.created_at, OLD.created_by_id, OLD.creation_id)
    THEN
        RAISE EXCEPTION 'Who made % and when is history', OLD.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_history';
    END IF;
    edited := (NEW.number, NEW.description, NEW.customer, NEW.destination, NEW.vehicle,
            NEW.capacity)
        IS DISTINCT FROM (OLD.number, OLD.description, OLD.customer, OLD.destination, OLD.vehicle,
            OLD.capacity);

    IF OLD.completed_at IS NOT NULL THEN
        IF NEW.completed_at IS NOT NULL OR edited OR NEW.line_count <> OLD.line_count THEN
            RAISE EXCEPTION 'A completed bill does not change: %', OLD.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_completed_fixed';
        END IF;
        IF NEW.reopened_by_id IS NULL OR NEW.reopen_reason = ''
            OR NEW.reopened_at IS NULL OR NEW.reopened_at IS NOT DISTINCT FROM OLD.reopened_at
        THEN
            RAISE EXCEPTION 'Who opens % again says why', OLD.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_reopened';
        END IF;
        PERFORM FROM billing_billline WHERE bill_id = OLD.id AND returned_at IS NOT NULL;
        IF FOUND THEN
            RAISE EXCEPTION 'Parents of % came back: it stays completed', OLD.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_has_returns';
        END IF;
        NEW.reopened_at := clock_timestamp();
    ELSIF (NEW.reopened_at, NEW.reopened_by_id, NEW.reopen_reason)
        IS DISTINCT FROM (OLD.reopened_at, OLD.reopened_by_id, OLD.reopen_reason)
    THEN
        RAISE EXCEPTION '% is open: nobody can open it again', OLD.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_reopened';
    ELSIF NEW.completed_at IS NOT NULL THEN
        -- Links of these parents come and go under the parents' locks only. From here on none can,
        -- so no link is newer than this moment.
        PERFORM FROM bags_bag WHERE id IN (
                SELECT parent_id FROM billing_billline WHERE bill_id = OLD.id
            ) ORDER BY id FOR NO KEY UPDATE;
        NEW.completed_at := clock_timestamp();
    END IF;
    NEW.version := OLD.version + edited::int;
    RETURN NEW;
END $$;

CREATE TRIGGER billing_keep_bill BEFORE INSERT OR UPDATE ON billing_bill
    FOR EACH ROW EXECUTE FUNCTION billing_keep_bill();

-- The parents of a bill leave when it is completed, and are back when it is opened again.
CREATE FUNCTION billing_dispatch_parents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH locked AS (
        SELECT bag.id FROM bags_bag bag
        JOIN billing_billline line ON line.parent_id = bag.id
        WHERE line.bill_id = NEW.id AND line.returned_at IS NULL
        ORDER BY bag.id FOR NO KEY UPDATE OF bag
    )
    UPDATE bags_bag bag SET dispatched_at = NEW.completed_at FROM locked WHERE locked.id = bag.id;
    RETURN NULL;
END $$;

CREATE TRIGGER billing_dispatch_parents AFTER UPDATE OF completed_at ON billing_bill FOR EACH ROW
    WHEN (OLD.completed_at IS DISTINCT FROM NEW.completed_at)
    EXECUTE FUNCTION billing_dispatch_parents();

-- Only an empty bill that never left can go.
CREATE FUNCTION billing_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.line_count = 0 AND OLD.completed_at IS NULL
        AND OLD.reopened_at IS NULL
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'Only an empty, new bill can be deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_bill_kept';
END $$;

CREATE TRIGGER billing_bill_kept BEFORE DELETE ON billing_bill
    FOR EACH ROW EXECUTE FUNCTION billing_refuse_delete();
CREATE TRIGGER billing_bill_not_emptied BEFORE TRUNCATE ON billing_bill
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_delete();
"""

DROP_BILL = """
DROP TRIGGER billing_keep_bill ON billing_bill;
DROP TRIGGER billing_dispatch_parents ON billing_bill;
DROP TRIGGER billing_bill_kept ON billing_bill;
DROP TRIGGER billing_bill_not_emptied ON billing_bill;
DROP FUNCTION billing_keep_bill();
DROP FUNCTION billing_dispatch_parents();
DROP FUNCTION billing_refuse_delete();
"""

PARENT = """
-- Whether a parent has left is what its bill says, and what has left does not change.
CREATE FUNCTION billing_keep_dispatched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Whether % has left is what its bill says', NEW.qr_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_parent_dispatched';
END $$;

CREATE TRIGGER billing_keep_dispatched BEFORE UPDATE ON bags_bag FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
        AND (OLD.dispatched_at IS NOT NULL OR NEW.dispatched_at IS NOT NULL)
        AND (OLD.dispatched_at, OLD.capacity, OLD.kg_per_child, OLD.product_id, OLD.child_count,
                OLD.completed_at)
            IS DISTINCT FROM (NEW.dispatched_at, NEW.capacity, NEW.kg_per_child, NEW.product_id,
                NEW.child_count, NEW.completed_at))
    EXECUTE FUNCTION billing_keep_dispatched();

-- What stands on the label of a child that has left stands on the packing list.
CREATE FUNCTION billing_keep_label() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM bags_link link JOIN bags_bag parent ON parent.id = link.parent_id
        WHERE link.child_id = NEW.id AND parent.dispatched_at IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION '% has left: its label stays', NEW.qr_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_parent_dispatched';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER billing_keep_label BEFORE UPDATE OF label_no, lot_no, tested_on ON bags_bag
    FOR EACH ROW WHEN ((OLD.label_no, OLD.lot_no, OLD.tested_on)
        IS DISTINCT FROM (NEW.label_no, NEW.lot_no, NEW.tested_on))
    EXECUTE FUNCTION billing_keep_label();

CREATE TRIGGER billing_not_made_dispatched BEFORE INSERT ON bags_bag FOR EACH ROW
    WHEN (NEW.dispatched_at IS NOT NULL) EXECUTE FUNCTION billing_keep_dispatched();
"""

DROP_PARENT = """
DROP TRIGGER billing_keep_dispatched ON bags_bag;
DROP TRIGGER billing_not_made_dispatched ON bags_bag;
DROP TRIGGER billing_keep_label ON bags_bag;
DROP FUNCTION billing_keep_label();
DROP FUNCTION billing_keep_dispatched();
"""

LINES = """
-- How many parents are on each bill whose lines this statement made or removed. The CHECK on the
-- bill's row then holds its capacity, however many load at once.
CREATE FUNCTION billing_count_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    step int := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
    wrong text;
BEGIN
    SELECT bag.qr_id INTO wrong FROM changed JOIN bags_bag bag ON bag.id = changed.parent_id
        WHERE bag.type <> 'parent' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Only parents go on a bill: %', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_line_parent_is_parent';
    END IF;
    PERFORM FROM changed WHERE returned_at IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'What came back stays on its bill'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_line_fixed';
    END IF;

    WITH tally AS (
        SELECT bill_id, count(*) AS n FROM changed GROUP BY bill_id
    ), locked AS (
        SELECT bill.id, tally.n FROM billing_bill bill JOIN tally ON tally.bill_id = bill.id
        ORDER BY bill.id FOR NO KEY UPDATE OF bill
    )
    -- Refused by the bill itself when it is completed.
    UPDATE billing_bill bill SET line_count = bill.line_count + step * locked.n
    FROM locked WHERE locked.id = bill.id;
    RETURN NULL;
END $$;

CREATE TRIGGER billing_line_made AFTER INSERT ON billing_billline
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION billing_count_lines();
CREATE TRIGGER billing_line_removed AFTER DELETE ON billing_billline
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION billing_count_lines();

-- A line is made and removed. That it came back is what its return says.
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Rows of % are not changed or emptied by hand', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_line_fixed';
END $$;

CREATE TRIGGER billing_line_fixed BEFORE UPDATE ON billing_billline FOR EACH ROW
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER billing_line_not_emptied BEFORE TRUNCATE ON billing_billline
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""

DROP_LINES = """
DROP TRIGGER billing_line_made ON billing_billline;
DROP TRIGGER billing_line_removed ON billing_billline;
DROP TRIGGER billing_line_fixed ON billing_billline;
DROP TRIGGER billing_line_not_emptied ON billing_billline;
DROP FUNCTION billing_count_lines();
DROP FUNCTION billing_refuse_change();
"""

RETURNS = """
-- A parent comes back: its line keeps what it held, and the parent is free again.
CREATE FUNCTION billing_return_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ticket billing_returnticket;
    line billing_billline;
    bill billing_bill;
    parent bags_bag;
BEGIN
    SELECT * INTO ticket FROM billing_returnticket WHERE id = NEW.ticket_id FOR NO KEY UPDATE;
    IF ticket.closed_at IS NOT NULL OR ticket.cancelled_at IS NOT NULL
        OR NEW.taken_back_at IS NOT NULL
    THEN
        RAISE EXCEPTION 'Nothing comes back on % any more', ticket.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_ticket_open';
    END IF;
    SELECT * INTO bill FROM billing_bill WHERE id = NEW.bill_id FOR NO KEY UPDATE;
    SELECT * INTO parent FROM bags_bag WHERE id = NEW.parent_id FOR NO KEY UPDATE;
    SELECT * INTO line FROM billing_billline WHERE id = NEW.line_id;
    IF bill.completed_at IS NULL OR line.returned_at IS NOT NULL
        OR (NEW.bill_id, NEW.parent_id) IS DISTINCT FROM (line.bill_id, line.parent_id)
    THEN
        RAISE EXCEPTION '% is not on a completed bill', parent.qr_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_return_dispatched';
    END IF;
    UPDATE billing_billline SET returned_at = NEW.returned_at,
        returned_children = parent.child_count, returned_capacity = parent.capacity,
        returned_kg_per_child = parent.kg_per_child
        WHERE id = line.id;
    INSERT INTO billing_returnedchild (return_line_id, child_id, linked_at, linked_by_id)
        SELECT NEW.id, child_id, linked_at, linked_by_id FROM bags_link
        WHERE parent_id = parent.id ORDER BY id;
    UPDATE bags_bag SET dispatched_at = NULL WHERE id = parent.id;
    RETURN NULL;
END $$;

CREATE TRIGGER billing_return_line AFTER INSERT ON billing_returnline
    FOR EACH ROW EXECUTE FUNCTION billing_return_line();

-- A return is taken back: the parent is on its bill again, if it is what it was and free.
CREATE FUNCTION billing_take_back() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line billing_billline;
    bill billing_bill;
    parent bags_bag;
BEGIN
    IF OLD.taken_back_at IS NOT NULL OR NEW.taken_back_at IS NULL
        OR (NEW.id, NEW.ticket_id, NEW.bill_id, NEW.parent_id, NEW.line_id, NEW.returned_at,
                NEW.returned_by_id)
            IS DISTINCT FROM (OLD.id, OLD.ticket_id, OLD.bill_id, OLD.parent_id, OLD.line_id,
                OLD.returned_at, OLD.returned_by_id)
    THEN
        RAISE EXCEPTION 'A return is taken back once, and never changed'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_return_fixed';
    END IF;
    PERFORM FROM billing_returnticket WHERE id = OLD.ticket_id FOR NO KEY UPDATE;
    SELECT * INTO bill FROM billing_bill WHERE id = OLD.bill_id FOR NO KEY UPDATE;
    SELECT * INTO parent FROM bags_bag WHERE id = OLD.parent_id FOR NO KEY UPDATE;
    SELECT * INTO line FROM billing_billline WHERE id = OLD.line_id;
    PERFORM FROM billing_billline
        WHERE parent_id = parent.id AND returned_at IS NULL AND id <> line.id;
    IF FOUND THEN
        RAISE EXCEPTION '% is on another bill by now', parent.qr_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_return_on_other_bill';
    END IF;
    -- The very links that left: who packed what and when is part of it.
    PERFORM FROM (
        SELECT child_id, linked_at, coalesce(linked_by_id, 0) AS by
        FROM bags_link WHERE parent_id = parent.id
    ) now_in FULL JOIN (
        SELECT child_id, linked_at, coalesce(linked_by_id, 0) AS by
        FROM billing_returnedchild WHERE return_line_id = OLD.id
    ) then_in USING (child_id, linked_at, by)
    WHERE now_in.child_id IS NULL OR then_in.child_id IS NULL;
    IF FOUND OR (parent.capacity, parent.kg_per_child)
        IS DISTINCT FROM (line.returned_capacity, line.returned_kg_per_child)
    THEN
        RAISE EXCEPTION '% has changed since it came back', parent.qr_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_return_bag_changed';
    END IF;
    UPDATE billing_billline SET returned_at = NULL, returned_children = NULL,
        returned_capacity = NULL, returned_kg_per_child = NULL
        WHERE id = line.id;
    UPDATE bags_bag SET dispatched_at = bill.completed_at WHERE id = parent.id;
    RETURN NEW;
END $$;

CREATE TRIGGER billing_take_back BEFORE UPDATE ON billing_returnline
    FOR EACH ROW EXECUTE FUNCTION billing_take_back();

-- Of a ticket that is closed nothing is taken back but all of it, as it is cancelled.
CREATE FUNCTION billing_taken_back_as_a_whole() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ticket billing_returnticket;
BEGIN
    SELECT * INTO ticket FROM billing_returnticket WHERE id = NEW.ticket_id;
    IF ticket.closed_at < NEW.taken_back_at AND ticket.cancelled_at IS NULL THEN
        RAISE EXCEPTION '% is closed: it can only be cancelled as a whole', ticket.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_ticket_open';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER billing_taken_back_as_a_whole AFTER UPDATE ON billing_returnline
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION billing_taken_back_as_a_whole();

-- A ticket is closed or cancelled once, and cancelled only when all of it is back on its bills.
CREATE FUNCTION billing_keep_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.closed_at IS NOT NULL OR NEW.cancelled_at IS NOT NULL THEN
            RAISE EXCEPTION 'A ticket is made open: %', NEW.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_ticket_made_open';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.cancelled_at IS NOT NULL
        OR (OLD.closed_at IS NOT NULL AND (NEW.closed_at, NEW.closed_by_id)
            IS DISTINCT FROM (OLD.closed_at, OLD.closed_by_id))
        OR (NEW.id, NEW.number, NEW.created_at, NEW.created_by_id, NEW.creation_id)
            IS DISTINCT FROM (OLD.id, OLD.number, OLD.created_at, OLD.created_by_id,
                OLD.creation_id)
        OR (OLD.closed_at IS NOT NULL AND NEW.reason <> OLD.reason)
    THEN
        RAISE EXCEPTION 'A closed or cancelled ticket does not change: %', OLD.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_ticket_fixed';
    END IF;
    PERFORM FROM billing_returnline
        WHERE ticket_id = OLD.id AND taken_back_at IS NULL AND NEW.cancelled_at IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'Parents of % are not back on their bills', OLD.number
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_ticket_cancelled_whole';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER billing_keep_ticket BEFORE INSERT OR UPDATE ON billing_returnticket
    FOR EACH ROW EXECUTE FUNCTION billing_keep_ticket();
"""

DROP_RETURNS = """
DROP TRIGGER billing_return_line ON billing_returnline;
DROP TRIGGER billing_take_back ON billing_returnline;
DROP TRIGGER billing_taken_back_as_a_whole ON billing_returnline;
DROP FUNCTION billing_taken_back_as_a_whole();
DROP TRIGGER billing_keep_ticket ON billing_returnticket;
DROP FUNCTION billing_return_line();
DROP FUNCTION billing_take_back();
DROP FUNCTION billing_keep_ticket();
"""

HISTORY = """
-- History can't be rewritten.
CREATE FUNCTION billing_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Rows of % are history', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;

CREATE TRIGGER billing_scan_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_billscan
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_rewrite();
CREATE TRIGGER billing_return_kept BEFORE DELETE OR TRUNCATE ON billing_returnline
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_rewrite();
CREATE TRIGGER billing_ticket_kept BEFORE DELETE OR TRUNCATE ON billing_returnticket
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_rewrite();
CREATE TRIGGER billing_returned_child_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON billing_returnedchild
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_rewrite();
-- What came back is written by the return itself.
CREATE TRIGGER billing_returned_child_by_return BEFORE INSERT ON billing_returnedchild
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse_rewrite();
"""

DROP_HISTORY = """
DROP TRIGGER billing_scan_append_only ON billing_billscan;
DROP TRIGGER billing_return_kept ON billing_returnline;
DROP TRIGGER billing_ticket_kept ON billing_returnticket;
DROP TRIGGER billing_returned_child_append_only ON billing_returnedchild;
DROP TRIGGER billing_returned_child_by_return ON billing_returnedchild;
DROP FUNCTION billing_refuse_rewrite();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("bags", "0002_triggers")]

    operations = [
        # Room in each page, so that a bill's count changes in place (HOT).
        migrations.RunSQL(
            "ALTER TABLE billing_bill SET (fillfactor = 70)",
            "ALTER TABLE billing_bill RESET (fillfactor)",
        ),
        migrations.RunSQL(NUMBERS, DROP_NUMBERS),
        migrations.RunSQL(BILL, DROP_BILL),
        migrations.RunSQL(PARENT, DROP_PARENT),
        migrations.RunSQL(LINES, DROP_LINES),
        migrations.RunSQL(RETURNS, DROP_RETURNS),
        migrations.RunSQL(HISTORY, DROP_HISTORY),
    ]
