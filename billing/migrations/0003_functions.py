"""A scan onto a bill or a ticket is one call of one function: one statement, one transaction.

As at the station: each query inside sees what others have committed meanwhile, so that the loser
of a race can name the winner. Locks: ticket, bill, parent, in this order.
"""

from django.db import migrations

SHARED = """
-- The scan of this id, if it was recorded before. A twin that is under way is waited for.
CREATE FUNCTION billing_recorded(p_scan_id uuid) RETURNS billing_billscan LANGUAGE plpgsql AS $$
DECLARE
    scan billing_billscan;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_scan_id::text, 1));
    SELECT * INTO scan FROM billing_billscan WHERE scan_id = p_scan_id;
    RETURN scan;
END $$;

-- The bill that this line belongs to: its number and state, since when, by whom.
CREATE FUNCTION billing_holder(p_line_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'number', bill.number, 'bill', bill.id, 'status', bill.status, 'at', line.loaded_at,
        'by', coalesce(nullif(person.full_name, ''), person.username))
    FROM billing_billline line
    JOIN billing_bill bill ON bill.id = line.bill_id
    JOIN accounts_user person ON person.id = line.loaded_by_id
    WHERE line.id = p_line_id
$$;

-- A bill as answers bear it. Kilograms are texts, so that no digit is lost. `mark` is another one
-- as soon as anything on the bill is: a page compares it with the one that it shows.
CREATE FUNCTION billing_bill_state(p_bill_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', bill.id, 'number', bill.number, 'status', bill.status, 'version', bill.version,
        'parents', bill.line_count, 'capacity', bill.capacity,
        'newest', max(line.id),
        'mark', md5(coalesce(string_agg(concat_ws(':', line.id, held.children, held.capacity,
            held.kg_per_child, line.returned_at), ',' ORDER BY line.id), '')),
        'children', coalesce(sum(held.children), 0),
        'actual_kg', coalesce(sum(held.children * held.kg_per_child), 0)::text,
        'expected_kg', coalesce(sum(held.capacity * held.kg_per_child), 0)::text,
        'variance_kg',
            coalesce(sum((held.children - held.capacity) * held.kg_per_child), 0)::text)
    FROM billing_bill bill
    LEFT JOIN billing_billline line ON line.bill_id = bill.id
    LEFT JOIN bags_bag parent ON parent.id = line.parent_id
    LEFT JOIN LATERAL (SELECT
        coalesce(line.returned_children, parent.child_count) AS children,
        coalesce(line.returned_capacity, parent.capacity) AS capacity,
        coalesce(line.returned_kg_per_child, parent.kg_per_child) AS kg_per_child
    ) held ON true
    WHERE bill.id = p_bill_id
    GROUP BY bill.id
$$;

-- A ticket as answers bear it: what it brought back and still stands.
CREATE FUNCTION billing_ticket_state(p_ticket_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', ticket.id, 'number', ticket.number, 'status', ticket.status,
        'parents', count(back.id),
        'newest', max(back.id),
        'children', coalesce(sum(line.returned_children), 0),
        'kg', coalesce(sum(line.returned_children * line.returned_kg_per_child), 0)::text)
    FROM billing_returnticket ticket
    LEFT JOIN billing_returnline back
        ON back.ticket_id = ticket.id AND back.taken_back_at IS NULL
    LEFT JOIN billing_billline line ON line.id = back.line_id
    WHERE ticket.id = p_ticket_id
    GROUP BY ticket.id
$$;
"""

DROP_SHARED = """
DROP FUNCTION billing_ticket_state(bigint);
DROP FUNCTION billing_bill_state(bigint);
DROP FUNCTION billing_holder(bigint);
DROP FUNCTION billing_recorded(uuid);
"""

LOAD = """
-- A parent is scanned onto a bill. p_form is the code's: a label is always a child's.
CREATE FUNCTION billing_load_parent(
    p_scan_id uuid, p_bill_id bigint, p_user_id bigint, p_raw text, p_code text, p_form text,
    p_accept_empty boolean, p_scanned_at timestamptz
) RETURNS TABLE (replayed boolean, bill jsonb, scan billing_billscan) LANGUAGE plpgsql AS $$
DECLARE
    the_bill billing_bill;
    parent bags_bag;
    line billing_billline;
    outcome text;
    holder jsonb;
BEGIN
    scan := billing_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF NOT replayed THEN
        SELECT * INTO the_bill FROM billing_bill WHERE id = p_bill_id FOR NO KEY UPDATE;
        IF the_bill.id IS NULL THEN RETURN NEXT; RETURN; END IF;

        SELECT * INTO parent FROM bags_bag WHERE qr_id = p_code AND type = 'parent'
            FOR NO KEY UPDATE;
        IF parent.id IS NOT NULL THEN
            SELECT * INTO line FROM billing_billline
                WHERE parent_id = parent.id AND returned_at IS NULL;
        END IF;
        IF the_bill.completed_at IS NOT NULL THEN
            outcome := 'bill_completed';
        ELSIF p_form = 'bad' THEN
            outcome := 'bad_code';
        ELSIF parent.id IS NULL THEN
            outcome := CASE WHEN p_form = 'label'
                    OR EXISTS (SELECT FROM bags_bag WHERE qr_id = p_code AND type = 'child')
                THEN 'is_child' ELSE 'unknown_parent' END;
        ELSIF line.bill_id = the_bill.id THEN
            outcome := 'already_on_bill';
        ELSIF line.id IS NOT NULL THEN
            outcome := 'on_other_bill';
            holder := billing_holder(line.id);
        ELSIF the_bill.line_count >= the_bill.capacity THEN
            outcome := 'bill_full';
        ELSIF parent.child_count = 0 AND NOT p_accept_empty THEN
            outcome := 'empty_parent';
        ELSE
            INSERT INTO billing_billline (bill_id, parent_id, loaded_by_id)
                VALUES (the_bill.id, parent.id, p_user_id) RETURNING * INTO line;
            outcome := 'loaded';
        END IF;
        INSERT INTO billing_billscan (scan_id, deed, outcome, raw, code, bill_id, parent_id,
                line_id, child_count, capacity, held_by, user_id, scanned_at)
            VALUES (p_scan_id, 'load', outcome, p_raw, p_code, the_bill.id, parent.id,
                CASE outcome WHEN 'loaded' THEN line.id END, parent.child_count, parent.capacity,
                holder, p_user_id, p_scanned_at)
            RETURNING * INTO scan;
    END IF;
    bill := billing_bill_state(p_bill_id);
    RETURN NEXT;
END $$;
"""

DROP_LOAD = """
DROP FUNCTION billing_load_parent(uuid, bigint, bigint, text, text, text, boolean, timestamptz);
"""

UNLOAD = """
-- A parent is taken off a bill that is open.
CREATE FUNCTION billing_unload_parent(
    p_scan_id uuid, p_bill_id bigint, p_user_id bigint, p_raw text, p_code text,
    p_scanned_at timestamptz
) RETURNS TABLE (replayed boolean, bill jsonb, scan billing_billscan) LANGUAGE plpgsql AS $$
DECLARE
    the_bill billing_bill;
    parent bags_bag;
    line billing_billline;
    outcome text;
BEGIN
    scan := billing_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF NOT replayed THEN
        SELECT * INTO the_bill FROM billing_bill WHERE id = p_bill_id FOR NO KEY UPDATE;
        IF the_bill.id IS NULL THEN RETURN NEXT; RETURN; END IF;

        SELECT * INTO parent FROM bags_bag WHERE qr_id = p_code AND type = 'parent'
            FOR NO KEY UPDATE;
        IF the_bill.completed_at IS NOT NULL THEN
            outcome := 'bill_completed';
        ELSE
            DELETE FROM billing_billline WHERE bill_id = the_bill.id AND parent_id = parent.id
                RETURNING * INTO line;
            outcome := CASE WHEN line.id IS NULL THEN 'not_on_bill' ELSE 'unloaded' END;
        END IF;
        INSERT INTO billing_billscan (scan_id, deed, outcome, raw, code, bill_id, parent_id,
                line_id, child_count, capacity, user_id, scanned_at)
            VALUES (p_scan_id, 'unload', outcome, p_raw, p_code, the_bill.id, parent.id, line.id,
                parent.child_count, parent.capacity, p_user_id, p_scanned_at)
            RETURNING * INTO scan;
    END IF;
    bill := billing_bill_state(p_bill_id);
    RETURN NEXT;
END $$;
"""

DROP_UNLOAD = """
DROP FUNCTION billing_unload_parent(uuid, bigint, bigint, text, text, timestamptz);
"""

RETURN = """
-- A parent is scanned that came back. Its bill is found by its line, which may change until the
-- bill is locked: then look again.
CREATE FUNCTION billing_return_parent(
    p_scan_id uuid, p_ticket_id bigint, p_user_id bigint, p_raw text, p_code text, p_form text,
    p_scanned_at timestamptz
) RETURNS TABLE (replayed boolean, ticket jsonb, scan billing_billscan) LANGUAGE plpgsql AS $$
DECLARE
    the_ticket billing_returnticket;
    the_bill billing_bill;
    parent bags_bag;
    line billing_billline;
    again billing_billline;
    outcome text;
    holder jsonb;
BEGIN
    scan := billing_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF NOT replayed THEN
        SELECT * INTO the_ticket FROM billing_returnticket WHERE id = p_ticket_id
            FOR NO KEY UPDATE;
        IF the_ticket.id IS NULL THEN RETURN NEXT; RETURN; END IF;

        LOOP
            SELECT * INTO parent FROM bags_bag WHERE qr_id = p_code AND type = 'parent';
            SELECT * INTO line FROM billing_billline
                WHERE parent_id = parent.id AND returned_at IS NULL;
            EXIT WHEN line.id IS NULL;
            SELECT * INTO the_bill FROM billing_bill WHERE id = line.bill_id FOR NO KEY UPDATE;
            SELECT * INTO parent FROM bags_bag WHERE id = parent.id FOR NO KEY UPDATE;
            SELECT * INTO again FROM billing_billline
                WHERE parent_id = parent.id AND returned_at IS NULL;
            EXIT WHEN again.id = line.id;
        END LOOP;
        IF the_ticket.status <> 'open' THEN
            outcome := 'ticket_closed';
        ELSIF p_form = 'bad' THEN
            outcome := 'bad_code';
        ELSIF parent.id IS NULL THEN
            outcome := CASE WHEN p_form = 'label'
                    OR EXISTS (SELECT FROM bags_bag WHERE qr_id = p_code AND type = 'child')
                THEN 'is_child' ELSE 'unknown_parent' END;
        ELSIF line.id IS NOT NULL AND the_bill.completed_at IS NOT NULL THEN
            INSERT INTO billing_returnline (ticket_id, bill_id, parent_id, line_id, returned_by_id)
                VALUES (the_ticket.id, the_bill.id, parent.id, line.id, p_user_id);
            outcome := 'returned';
            holder := billing_holder(line.id);
        ELSIF EXISTS (
            SELECT FROM billing_returnline back WHERE back.ticket_id = the_ticket.id
                AND back.taken_back_at IS NULL AND back.parent_id = parent.id
        ) THEN
            outcome := 'already_returned';
        ELSE
            outcome := 'not_dispatched';
            IF line.id IS NOT NULL THEN holder := billing_holder(line.id); END IF;
        END IF;
        INSERT INTO billing_billscan (scan_id, deed, outcome, raw, code, ticket_id, bill_id,
                parent_id, line_id, child_count, capacity, held_by, user_id, scanned_at)
            VALUES (p_scan_id, 'return', outcome, p_raw, p_code, the_ticket.id,
                CASE outcome WHEN 'returned' THEN the_bill.id END, parent.id,
                CASE outcome WHEN 'returned' THEN line.id END,
                parent.child_count, parent.capacity, holder, p_user_id, p_scanned_at)
            RETURNING * INTO scan;
    END IF;
    ticket := billing_ticket_state(p_ticket_id);
    RETURN NEXT;
END $$;
"""

DROP_RETURN = """
DROP FUNCTION billing_return_parent(uuid, bigint, bigint, text, text, text, timestamptz);
"""

TAKE_BACK = """
-- A return was a mistake: the parent is on its bill again, if it is what it was and free. What the
-- trigger would refuse is looked at first, so that it becomes an answer and is recorded.
CREATE FUNCTION billing_take_back_return(
    p_scan_id uuid, p_ticket_id bigint, p_user_id bigint, p_raw text, p_code text,
    p_scanned_at timestamptz
) RETURNS TABLE (replayed boolean, ticket jsonb, scan billing_billscan) LANGUAGE plpgsql AS $$
DECLARE
    the_ticket billing_returnticket;
    the_bill billing_bill;
    parent bags_bag;
    back billing_returnline;
    outcome text := 'taken_back';
    refused_by text;
BEGIN
    scan := billing_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF NOT replayed THEN
        SELECT * INTO the_ticket FROM billing_returnticket WHERE id = p_ticket_id
            FOR NO KEY UPDATE;
        IF the_ticket.id IS NULL THEN RETURN NEXT; RETURN; END IF;

        SELECT * INTO parent FROM bags_bag WHERE qr_id = p_code AND type = 'parent';
        SELECT * INTO back FROM billing_returnline found
            WHERE found.ticket_id = the_ticket.id AND found.taken_back_at IS NULL
                AND found.parent_id = parent.id;
        IF the_ticket.status <> 'open' THEN
            outcome := 'ticket_closed';
        ELSIF back.id IS NULL THEN
            outcome := 'not_returned';
        ELSE
            SELECT * INTO the_bill FROM billing_bill bill_row WHERE bill_row.id = back.bill_id
                FOR NO KEY UPDATE;
            BEGIN
                UPDATE billing_returnline
                    SET taken_back_at = statement_timestamp(), taken_back_by_id = p_user_id
                    WHERE id = back.id;
            EXCEPTION WHEN check_violation THEN
                GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
                outcome := CASE refused_by
                    WHEN 'billing_return_on_other_bill' THEN 'on_other_bill'
                    ELSE 'bag_changed' END;
            END;
        END IF;
        INSERT INTO billing_billscan (scan_id, deed, outcome, raw, code, ticket_id, bill_id,
                parent_id, line_id, child_count, capacity, held_by, user_id, scanned_at)
            VALUES (p_scan_id, 'take_back', outcome, p_raw, p_code, the_ticket.id, the_bill.id,
                parent.id, back.line_id, parent.child_count, parent.capacity,
                CASE outcome WHEN 'on_other_bill' THEN (
                    SELECT billing_holder(line.id) FROM billing_billline line
                    WHERE line.parent_id = parent.id AND line.returned_at IS NULL
                ) WHEN 'taken_back' THEN billing_holder(back.line_id) END,
                p_user_id, p_scanned_at)
            RETURNING * INTO scan;
    END IF;
    ticket := billing_ticket_state(p_ticket_id);
    RETURN NEXT;
END $$;
"""

DROP_TAKE_BACK = """
DROP FUNCTION billing_take_back_return(uuid, bigint, bigint, text, text, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_rules"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(SHARED, DROP_SHARED),
        migrations.RunSQL(LOAD, DROP_LOAD),
        migrations.RunSQL(UNLOAD, DROP_UNLOAD),
        migrations.RunSQL(RETURN, DROP_RETURN),
        migrations.RunSQL(TAKE_BACK, DROP_TAKE_BACK),
    ]
