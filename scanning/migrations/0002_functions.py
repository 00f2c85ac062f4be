"""A scan is one call of one function: one statement, one transaction, one round trip.

Inside a function each query sees what others have committed meanwhile. So a scan that lost a race
looks a second time and can name the winner, which one large statement can't. PostgreSQL keeps the
plans of a function's queries with the connection.
"""

from django.db import migrations

APPEND_ONLY = """
-- History can't be rewritten.
CREATE FUNCTION scanning_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Scans and their marks are added, never changed or deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$;

CREATE TRIGGER scanning_scan_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON scanning_scan
    FOR EACH STATEMENT EXECUTE FUNCTION scanning_refuse_rewrite();
CREATE TRIGGER scanning_undo_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON scanning_undo
    FOR EACH STATEMENT EXECUTE FUNCTION scanning_refuse_rewrite();
"""

DROP_APPEND_ONLY = """
DROP TRIGGER scanning_scan_append_only ON scanning_scan;
DROP TRIGGER scanning_undo_append_only ON scanning_undo;
DROP FUNCTION scanning_refuse_rewrite();
"""

SHARED = """
-- The station of this name; one that nobody has named yet is registered.
CREATE FUNCTION scanning_station_id(p_name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found_id bigint;
BEGIN
    LOOP
        SELECT id INTO found_id FROM scanning_station WHERE name = p_name;
        IF FOUND THEN RETURN found_id; END IF;
        INSERT INTO scanning_station (name) VALUES (p_name)
            ON CONFLICT (name) DO NOTHING RETURNING id INTO found_id;
        IF FOUND THEN RETURN found_id; END IF;
    END LOOP;
END $$;

-- The active product whose pattern this code fits, or a row of NULLs. # is a digit; the other
-- characters that a pattern may have mean themselves in a regular expression.
CREATE FUNCTION scanning_product_of(p_code text) RETURNS bags_product LANGUAGE sql STABLE AS $$
    SELECT product.* FROM bags_product product
    WHERE product.is_active AND p_code ~ ('^' || replace(product.pattern, '#', '[0-9]') || '$')
    ORDER BY product.id LIMIT 1
$$;

-- Who holds this child: the parent's code, since when, by whom, at which station.
CREATE FUNCTION scanning_holder(p_link_id bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'qr_id', parent.qr_id,
        'by', coalesce(nullif(person.full_name, ''), person.username),
        'at', link.linked_at,
        'station', (
            SELECT station.name FROM scanning_scan scan
            JOIN scanning_station station ON station.id = scan.station_id
            WHERE scan.child_id = link.child_id AND scan.link_id = link.id
        ))
    FROM bags_link link
    JOIN bags_bag parent ON parent.id = link.parent_id
    LEFT JOIN accounts_user person ON person.id = link.linked_by_id
    WHERE link.id = p_link_id
$$;

-- The scan of this id, if it was recorded before. A twin that is under way is waited for.
CREATE FUNCTION scanning_recorded(p_scan_id uuid) RETURNS scanning_scan LANGUAGE plpgsql AS $$
DECLARE
    scan scanning_scan;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_scan_id::text, 0));
    SELECT * INTO scan FROM scanning_scan WHERE scan_id = p_scan_id;
    RETURN scan;
END $$;
"""

DROP_SHARED = """
DROP FUNCTION scanning_recorded(uuid);
DROP FUNCTION scanning_holder(bigint);
DROP FUNCTION scanning_product_of(text);
DROP FUNCTION scanning_station_id(text);
"""

OPEN_PARENT = """
-- A parent is scanned: known, or made at once when the code fits a product.
CREATE FUNCTION scanning_open_parent(
    p_scan_id uuid, p_station text, p_user_id bigint, p_raw text, p_code text, p_form text,
    p_scanned_at timestamptz
) RETURNS TABLE (replayed boolean, scan scanning_scan) LANGUAGE plpgsql AS $$
DECLARE
    bag bags_bag;
    product bags_product;
    outcome text;
BEGIN
    scan := scanning_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF replayed THEN RETURN NEXT; RETURN; END IF;

    IF p_form = 'bad' THEN
        outcome := 'bad_code';
    END IF;
    WHILE outcome IS NULL LOOP
        SELECT * INTO bag FROM bags_bag WHERE qr_id = p_code;
        IF bag.type = 'parent' THEN
            outcome := 'parent_opened';
        ELSIF bag.type = 'child' OR p_form = 'label' THEN
            outcome := 'is_child';
        ELSE
            product := scanning_product_of(p_code);
            IF product.id IS NULL THEN
                outcome := 'is_child';
            ELSE
                INSERT INTO bags_bag (qr_id, type, product_id, capacity, kg_per_child)
                    VALUES (p_code, 'parent', product.id, product.capacity, product.kg_per_child)
                    ON CONFLICT (qr_id) DO NOTHING RETURNING * INTO bag;
                -- Not made: somebody else made it this moment. Look again.
                IF bag.id IS NOT NULL THEN outcome := 'parent_created'; END IF;
            END IF;
        END IF;
    END LOOP;

    INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
            parent_id, child_id, child_count, capacity, parent_status, scanned_at)
        VALUES (p_scan_id, outcome, p_raw, p_code, '', scanning_station_id(p_station), p_user_id,
            CASE WHEN bag.type = 'parent' THEN bag.id END,
            CASE WHEN bag.type = 'child' THEN bag.id END,
            CASE WHEN bag.type = 'parent' THEN bag.child_count END,
            bag.capacity, bag.status, p_scanned_at)
        RETURNING * INTO scan;
    RETURN NEXT;
END $$;
"""

DROP_OPEN_PARENT = (
    "DROP FUNCTION scanning_open_parent(uuid, text, bigint, text, text, text, timestamptz);"
)

LINK_CHILD = """
-- A child is scanned into the parent that the page names. The parent's row is locked first and the
-- child comes second, always: scans can't wait for each other in a circle.
CREATE FUNCTION scanning_link_child(
    p_scan_id uuid, p_station text, p_user_id bigint, p_raw text, p_parent text, p_code text,
    p_form text, p_label_no text, p_lot_no text, p_tested_on date, p_scanned_at timestamptz
) RETURNS TABLE (replayed boolean, scan scanning_scan) LANGUAGE plpgsql AS $$
DECLARE
    parent bags_bag;
    child bags_bag;
    link bags_link;
    product bags_product;
    outcome text;
    new_link_id bigint;
    held_by jsonb;
BEGIN
    scan := scanning_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF replayed THEN RETURN NEXT; RETURN; END IF;

    SELECT * INTO parent FROM bags_bag WHERE qr_id = p_parent AND type = 'parent' FOR NO KEY UPDATE;
    IF parent.id IS NULL THEN
        outcome := 'unknown_parent';
    ELSIF p_form = 'bad' THEN
        outcome := 'bad_code';
    END IF;

    WHILE outcome IS NULL LOOP
        SELECT * INTO child FROM bags_bag WHERE qr_id = p_code;
        SELECT * INTO link FROM bags_link WHERE child_id = child.id;
        IF child.id IS NULL AND p_form = 'plain' THEN
            product := scanning_product_of(p_code);
        END IF;
        IF child.type = 'parent' OR (child.id IS NULL AND product.id IS NOT NULL) THEN
            outcome := 'is_parent';
        ELSIF link.parent_id = parent.id THEN
            outcome := 'already_linked';
        ELSIF parent.dispatched_at IS NOT NULL THEN
            outcome := 'parent_dispatched';
        ELSIF parent.child_count >= parent.capacity THEN
            outcome := 'parent_full';
        ELSIF link.id IS NOT NULL THEN
            held_by := scanning_holder(link.id);
            -- Nobody holds it any more: it was taken back this moment. Look again.
            IF held_by IS NOT NULL THEN outcome := 'linked_elsewhere'; END IF;
        ELSE
            IF child.id IS NULL THEN
                INSERT INTO bags_bag (qr_id, type, label_no, lot_no, tested_on)
                    VALUES (p_code, 'child', p_label_no, p_lot_no, p_tested_on)
                    ON CONFLICT (qr_id) DO NOTHING RETURNING * INTO child;
            END IF;
            -- Not made: somebody else made it this moment. Look again.
            CONTINUE WHEN child.id IS NULL;
            INSERT INTO bags_link (child_id, parent_id, linked_by_id)
                VALUES (child.id, parent.id, p_user_id)
                ON CONFLICT (child_id) DO NOTHING RETURNING id INTO new_link_id;
            CONTINUE WHEN new_link_id IS NULL;
            parent.child_count := parent.child_count + 1;
            outcome := CASE WHEN parent.child_count = parent.capacity
                THEN 'completed' ELSE 'linked' END;
            parent.status := CASE outcome WHEN 'completed' THEN 'completed' ELSE 'in_progress' END;
        END IF;
    END LOOP;

    INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
            parent_id, child_id, link_id, child_count, capacity, parent_status, held_by, scanned_at)
        VALUES (p_scan_id, outcome, p_raw, p_code, p_parent, scanning_station_id(p_station),
            p_user_id, parent.id, CASE WHEN child.type = 'child' THEN child.id END, new_link_id,
            parent.child_count, parent.capacity, parent.status, held_by, p_scanned_at)
        RETURNING * INTO scan;
    RETURN NEXT;
END $$;
"""

DROP_LINK_CHILD = """
DROP FUNCTION scanning_link_child(
    uuid, text, bigint, text, text, text, text, text, text, date, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("scanning", "0001_initial"),
        ("bags", "0002_triggers"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(APPEND_ONLY, DROP_APPEND_ONLY),
        migrations.RunSQL(SHARED, DROP_SHARED),
        migrations.RunSQL(OPEN_PARENT, DROP_OPEN_PARENT),
        migrations.RunSQL(LINK_CHILD, DROP_LINK_CHILD),
    ]
