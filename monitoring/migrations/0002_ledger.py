"""The ledger: triggers that append, a fold that keeps it short, a view that adds it up."""

from django.db import migrations

TALLY = """
-- One row of the ledger for each kind of row that a statement added or removed. Appending makes no
-- writer wait for another. About one writer in a thousand folds the ledger; if another one folds
-- already, it goes on without.
CREATE FUNCTION monitoring_fold() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('monitoring_tally')) THEN RETURN; END IF;
    WITH gone AS (
        DELETE FROM monitoring_tally RETURNING name, slot, n
    ), kept AS (
        SELECT name, CASE WHEN slot > now() - interval '3 days' THEN slot END AS slot, n FROM gone
    )
    INSERT INTO monitoring_tally (name, slot, n)
        SELECT name, slot, sum(n) FROM kept GROUP BY name, slot HAVING sum(n) <> 0;
END $$;

CREATE FUNCTION monitoring_tally_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monitoring_tally (name, n)
        SELECT TG_ARGV[0], count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END
        FROM changed HAVING count(*) > 0;
    IF random() < 0.001 THEN PERFORM monitoring_fold(); END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION monitoring_tally_bags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monitoring_tally (name, n)
        SELECT CASE type WHEN 'parent' THEN 'parents' ELSE 'children' END,
            count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END
        FROM changed GROUP BY type;
    RETURN NULL;
END $$;

-- By quarters of an hour of the server's clock, for the chart of today.
CREATE FUNCTION monitoring_tally_scans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO monitoring_tally (name, slot, n)
        SELECT 'scans', date_bin('15 minutes', recorded_at, '2000-01-01Z'), count(*)
        FROM changed GROUP BY 2;
    IF random() < 0.001 THEN PERFORM monitoring_fold(); END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER monitoring_bag_added AFTER INSERT ON bags_bag REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_bags();
CREATE TRIGGER monitoring_bag_removed AFTER DELETE ON bags_bag REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_bags();
CREATE TRIGGER monitoring_link_added AFTER INSERT ON bags_link REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_rows('links');
CREATE TRIGGER monitoring_link_removed AFTER DELETE ON bags_link REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_rows('links');
CREATE TRIGGER monitoring_scan_added AFTER INSERT ON scanning_scan REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_scans();
CREATE TRIGGER monitoring_user_added AFTER INSERT ON accounts_user REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_rows('users');
CREATE TRIGGER monitoring_user_removed AFTER DELETE ON accounts_user
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_rows('users');

-- What is there already, whichever order the migrations ran in.
INSERT INTO monitoring_tally (name, n)
    SELECT 'parents', count(*) FROM bags_bag WHERE type = 'parent'
    UNION ALL SELECT 'children', count(*) FROM bags_bag WHERE type = 'child'
    UNION ALL SELECT 'links', count(*) FROM bags_link
    UNION ALL SELECT 'scans', count(*) FROM scanning_scan
    UNION ALL SELECT 'users', count(*) FROM accounts_user;
"""

DROP_TALLY = """
DROP TRIGGER monitoring_bag_added ON bags_bag;
DROP TRIGGER monitoring_bag_removed ON bags_bag;
DROP TRIGGER monitoring_link_added ON bags_link;
DROP TRIGGER monitoring_link_removed ON bags_link;
DROP TRIGGER monitoring_scan_added ON scanning_scan;
DROP TRIGGER monitoring_user_added ON accounts_user;
DROP TRIGGER monitoring_user_removed ON accounts_user;
DROP FUNCTION monitoring_tally_bags();
DROP FUNCTION monitoring_tally_scans();
DROP FUNCTION monitoring_tally_rows();
DROP FUNCTION monitoring_fold();
DELETE FROM monitoring_tally;
"""

VIEW = """
-- Exactly one row, also over an empty ledger.
CREATE VIEW statistics_cache AS
SELECT 1 AS id,
    coalesce(sum(n) FILTER (WHERE name IN ('parents', 'children')), 0)::bigint AS total_bags,
    coalesce(sum(n) FILTER (WHERE name = 'parents'), 0)::bigint AS parent_bags,
    coalesce(sum(n) FILTER (WHERE name = 'children'), 0)::bigint AS child_bags,
    coalesce(sum(n) FILTER (WHERE name = 'links'), 0)::bigint AS links,
    coalesce(sum(n) FILTER (WHERE name = 'scans'), 0)::bigint AS total_scans,
    coalesce(sum(n) FILTER (WHERE name = 'bills'), 0)::bigint AS total_bills,
    coalesce(sum(n) FILTER (WHERE name = 'users'), 0)::bigint AS total_users,
    statement_timestamp() AS as_of
FROM monitoring_tally;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0001_initial"),
        ("scanning", "0002_functions"),
        ("bags", "0002_triggers"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        # Rows are only ever appended, added up and folded: nobody asks for one by its key, and the
        # index would have all writers at its right end.
        migrations.RunSQL(
            "ALTER TABLE monitoring_tally DROP CONSTRAINT monitoring_tally_pkey",
            "ALTER TABLE monitoring_tally ADD CONSTRAINT monitoring_tally_pkey PRIMARY KEY (id)",
        ),
        # The ledger is rewritten all the time: clean it up early.
        migrations.RunSQL(
            "ALTER TABLE monitoring_tally SET (autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_threshold = 5000)",
            "ALTER TABLE monitoring_tally RESET (autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_threshold)",
        ),
        migrations.RunSQL(TALLY, DROP_TALLY),
        migrations.RunSQL(VIEW, "DROP VIEW statistics_cache"),
    ]
