"""The last active admin can't be demoted, deactivated or deleted."""

from django.db import migrations

LAST_ADMIN = """
-- Runs only when a row stops being an active admin. Two that do it at once wait for each other at
-- the lock, and the second then sees what the first has committed.
CREATE FUNCTION accounts_last_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('accounts.last_admin'));
    IF NOT EXISTS (SELECT FROM accounts_user WHERE role = 'admin' AND is_active) THEN
        RAISE EXCEPTION 'At least one active admin must remain'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'accounts_last_admin';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER accounts_last_admin_kept AFTER UPDATE ON accounts_user FOR EACH ROW
    WHEN (OLD.role = 'admin' AND OLD.is_active AND NOT (NEW.role = 'admin' AND NEW.is_active))
    EXECUTE FUNCTION accounts_last_admin();

CREATE TRIGGER accounts_last_admin_not_deleted AFTER DELETE ON accounts_user FOR EACH ROW
    WHEN (OLD.role = 'admin' AND OLD.is_active)
    EXECUTE FUNCTION accounts_last_admin();
"""

DROP_LAST_ADMIN = """
DROP TRIGGER accounts_last_admin_kept ON accounts_user;
DROP TRIGGER accounts_last_admin_not_deleted ON accounts_user;
DROP FUNCTION accounts_last_admin();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(LAST_ADMIN, DROP_LAST_ADMIN)]
