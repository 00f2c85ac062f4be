"""A scan from a station's queue: it says which device sends it, and may be late.

Still one call of one function, one statement, one transaction: the scan, what the device said, and
the exception where the scan was refused when nobody looked.
"""

from django.db import migrations

DEVICE = """
-- What the page says beside its item is `p_sent`: device, seq (or null), late, issued, waiting,
-- parent, station (or null). Programs say nothing: null.

-- The device that sends; one that nobody has heard yet is registered. NULL: it is somebody else's.
CREATE FUNCTION scanning_device_id(p_sent jsonb, p_user_id bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    device scanning_device;
BEGIN
    LOOP
        SELECT * INTO device FROM scanning_device WHERE device_id = (p_sent->>'device')::uuid;
        IF FOUND THEN RETURN CASE device.user_id WHEN p_user_id THEN device.id END; END IF;
        INSERT INTO scanning_device (device_id, user_id)
            VALUES ((p_sent->>'device')::uuid, p_user_id) ON CONFLICT (device_id) DO NOTHING;
    END LOOP;
END $$;

-- Keep what the device said. Its row is locked last of all, so that nobody waits in a circle.
CREATE FUNCTION scanning_hear(p_device_id bigint, p_sent jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    seq bigint := (p_sent->>'seq')::bigint;
BEGIN
    UPDATE scanning_device device SET
        heard = CASE WHEN seq IS NULL THEN device.heard
            ELSE device.heard + int8multirange(int8range(seq, seq, '[]')) END,
        issued = greatest(device.issued, (p_sent->>'issued')::bigint, seq),
        waiting = (p_sent->>'waiting')::int,
        parent_code = p_sent->>'parent',
        station_id = coalesce(
            (SELECT id FROM scanning_station WHERE name = p_sent->>'station'), device.station_id),
        heard_at = statement_timestamp()
        WHERE device.id = p_device_id;
    RETURN FOUND;
END $$;

-- The same for an item that is no scan, before it is judged: who sends, and what was answered if it
-- came before. A twin that is under way is waited for.
CREATE FUNCTION scanning_begin_item(
    p_item_id uuid, p_user_id bigint, p_sent jsonb, OUT sender bigint, OUT kind text, OUT body jsonb
) LANGUAGE plpgsql AS $$
BEGIN
    sender := scanning_device_id(p_sent, p_user_id);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_item_id::text, 0));
    SELECT verdict.kind, verdict.body INTO kind, body
        FROM scanning_verdict verdict WHERE verdict.item_id = p_item_id;
END $$;

-- The exception of a scan that was refused when nobody looked: opened now, or when it first came.
CREATE FUNCTION scanning_exception_of(p_scan scanning_scan, p_kind text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF p_scan.outcome IN
        ('linked', 'completed', 'already_linked', 'parent_created', 'parent_opened')
    THEN RETURN NULL; END IF;
    INSERT INTO scanning_scanexception
            (item_id, kind, scan_id, outcome, station_id, user_id, happened_at)
        VALUES (p_scan.scan_id, p_kind, p_scan.id, p_scan.outcome, p_scan.station_id,
            p_scan.user_id, p_scan.scanned_at)
        ON CONFLICT (item_id) DO NOTHING;
    RETURN (SELECT id FROM scanning_scanexception WHERE item_id = p_scan.scan_id);
END $$;

-- The parent of this code: known, or made at once when the code fits a product. Else `is_child`.
CREATE FUNCTION scanning_parent_of(p_code text, p_form text, OUT bag bags_bag, OUT outcome text)
LANGUAGE plpgsql AS $$
DECLARE
    product bags_product;
BEGIN
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
END $$;
"""

DROP_DEVICE = """
DROP FUNCTION scanning_parent_of(text, text);
DROP FUNCTION scanning_exception_of(scanning_scan, text);
DROP FUNCTION scanning_begin_item(uuid, bigint, jsonb);
DROP FUNCTION scanning_hear(bigint, jsonb);
DROP FUNCTION scanning_device_id(jsonb, bigint);
"""

DROP_OLD_OPEN_PARENT = (
    "DROP FUNCTION scanning_open_parent(uuid, text, bigint, text, text, text, timestamptz);"
)

OLD_OPEN_PARENT = """
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

OPEN_PARENT = """
-- A parent is scanned.
CREATE FUNCTION scanning_open_parent(
    p_scan_id uuid, p_station text, p_user_id bigint, p_raw text, p_code text, p_form text,
    p_scanned_at timestamptz, p_sent jsonb DEFAULT NULL
) RETURNS TABLE (replayed boolean, exception_id bigint, scan scanning_scan) LANGUAGE plpgsql AS $$
DECLARE
    sender bigint;
    opened record;
    bag bags_bag;
    outcome text := 'bad_code';
BEGIN
    IF p_sent IS NOT NULL THEN
        sender := scanning_device_id(p_sent, p_user_id);
        IF sender IS NULL THEN RETURN NEXT; RETURN; END IF;
    END IF;

    scan := scanning_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF NOT replayed THEN
        IF p_form <> 'bad' THEN
            SELECT * INTO opened FROM scanning_parent_of(p_code, p_form);
            bag := opened.bag;
            outcome := opened.outcome;
        END IF;
        INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
                parent_id, child_id, child_count, capacity, parent_status, scanned_at,
                device_id, seq, late)
            VALUES (p_scan_id, outcome, p_raw, p_code, '', scanning_station_id(p_station),
                p_user_id,
                CASE WHEN bag.type = 'parent' THEN bag.id END,
                CASE WHEN bag.type = 'child' THEN bag.id END,
                CASE WHEN bag.type = 'parent' THEN bag.child_count END,
                bag.capacity, bag.status, p_scanned_at,
                sender, (p_sent->>'seq')::bigint, coalesce((p_sent->>'late')::boolean, false))
            RETURNING * INTO scan;
    END IF;

    -- Also when it was judged in time and only its answer came late.
    IF scan.late OR (p_sent->>'late')::boolean THEN
        exception_id := scanning_exception_of(scan, 'scan');
    END IF;
    IF sender IS NOT NULL THEN PERFORM scanning_hear(sender, p_sent); END IF;
    RETURN NEXT;
END $$;
"""

DROP_OPEN_PARENT = """
DROP FUNCTION scanning_open_parent(uuid, text, bigint, text, text, text, timestamptz, jsonb);
"""

DROP_OLD_LINK_CHILD = """
DROP FUNCTION scanning_link_child(
    uuid, text, bigint, text, text, text, text, text, text, date, timestamptz);
"""

OLD_LINK_CHILD = """
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

LINK_CHILD = """
-- A child is scanned into the parent that the page names. The parent's row is locked first, the
-- child comes second and the device last, always: scans can't wait for each other in a circle.
-- p_switch: where the code is a parent, open it. p_holder: take the child out of that parent.
CREATE FUNCTION scanning_link_child(
    p_scan_id uuid, p_station text, p_user_id bigint, p_raw text, p_parent text, p_code text,
    p_form text, p_label_no text, p_lot_no text, p_tested_on date, p_scanned_at timestamptz,
    p_switch boolean DEFAULT false, p_holder text DEFAULT NULL, p_sent jsonb DEFAULT NULL
) RETURNS TABLE (replayed boolean, moved boolean, exception_id bigint, scan scanning_scan)
LANGUAGE plpgsql AS $$
DECLARE
    sender bigint;
    parent bags_bag;
    child bags_bag;
    link bags_link;
    product bags_product;
    opened record;
    named text := p_parent;
    outcome text;
    new_link_id bigint;
    held_by jsonb;
BEGIN
    moved := false;
    IF p_sent IS NOT NULL THEN
        sender := scanning_device_id(p_sent, p_user_id);
        IF sender IS NULL THEN RETURN NEXT; RETURN; END IF;
    END IF;

    scan := scanning_recorded(p_scan_id);
    replayed := scan.id IS NOT NULL;
    IF NOT replayed THEN
        IF p_holder IS NOT NULL THEN
            -- Both parents, in the order of their keys, as everywhere.
            PERFORM FROM bags_bag WHERE qr_id IN (p_parent, p_holder) AND type = 'parent'
                ORDER BY id FOR NO KEY UPDATE;
        END IF;
        SELECT * INTO parent FROM bags_bag
            WHERE qr_id = p_parent AND type = 'parent' FOR NO KEY UPDATE;
        IF p_form = 'bad' THEN
            outcome := CASE WHEN parent.id IS NULL THEN 'unknown_parent' ELSE 'bad_code' END;
        END IF;

        WHILE outcome IS NULL LOOP
            SELECT * INTO child FROM bags_bag WHERE qr_id = p_code;
            SELECT * INTO link FROM bags_link WHERE child_id = child.id;
            IF child.id IS NULL AND p_form = 'plain' THEN
                product := scanning_product_of(p_code);
            END IF;
            IF p_switch AND (child.type = 'parent' OR (child.id IS NULL AND product.id IS NOT NULL))
            THEN
                SELECT * INTO opened FROM scanning_parent_of(p_code, p_form);
                CONTINUE WHEN opened.outcome = 'is_child';
                parent := opened.bag;
                outcome := opened.outcome;
                named := '';
            ELSIF parent.id IS NULL THEN
                outcome := 'unknown_parent';
            ELSIF child.type = 'parent' OR (child.id IS NULL AND product.id IS NOT NULL) THEN
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
                CONTINUE WHEN held_by IS NULL;
                IF held_by->>'qr_id' IS DISTINCT FROM p_holder THEN
                    outcome := 'linked_elsewhere';
                ELSIF EXISTS (
                    SELECT FROM bags_bag WHERE id = link.parent_id AND dispatched_at IS NOT NULL
                ) THEN
                    outcome := 'parent_dispatched';
                ELSE
                    -- The holder is locked. The child is free now, and linked the next time round.
                    DELETE FROM bags_link WHERE id = link.id;
                    moved := true;
                    held_by := NULL;
                END IF;
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
                parent.status :=
                    CASE outcome WHEN 'completed' THEN 'completed' ELSE 'in_progress' END;
            END IF;
        END LOOP;

        INSERT INTO scanning_scan (scan_id, outcome, raw, code, parent_code, station_id, user_id,
                parent_id, child_id, link_id, child_count, capacity, parent_status, held_by,
                scanned_at, device_id, seq, late)
            VALUES (p_scan_id, outcome, p_raw, p_code, named, scanning_station_id(p_station),
                p_user_id, parent.id, CASE WHEN child.type = 'child' THEN child.id END,
                new_link_id, parent.child_count, parent.capacity, parent.status, held_by,
                p_scanned_at, sender, (p_sent->>'seq')::bigint,
                coalesce((p_sent->>'late')::boolean, false))
            RETURNING * INTO scan;
    END IF;

    -- Also when it was judged in time and only its answer came late.
    IF scan.late OR (p_sent->>'late')::boolean THEN
        exception_id := scanning_exception_of(
            scan, CASE WHEN p_holder IS NULL THEN 'scan' ELSE 'move' END);
    END IF;
    IF sender IS NOT NULL THEN PERFORM scanning_hear(sender, p_sent); END IF;
    RETURN NEXT;
END $$;
"""

DROP_LINK_CHILD = """
DROP FUNCTION scanning_link_child(
    uuid, text, bigint, text, text, text, text, text, text, date, timestamptz, boolean, text, jsonb
);
"""


class Migration(migrations.Migration):
    dependencies = [("scanning", "0003_queue")]

    operations = [
        migrations.RunSQL(DEVICE, DROP_DEVICE),
        migrations.RunSQL(DROP_OLD_OPEN_PARENT, OLD_OPEN_PARENT),
        migrations.RunSQL(OPEN_PARENT, DROP_OPEN_PARENT),
        migrations.RunSQL(DROP_OLD_LINK_CHILD, OLD_LINK_CHILD),
        migrations.RunSQL(LINK_CHILD, DROP_LINK_CHILD),
    ]
