"""Bills in the ledger."""

from django.db import migrations

TALLY = """
CREATE TRIGGER monitoring_bill_added AFTER INSERT ON billing_bill REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_rows('bills');
CREATE TRIGGER monitoring_bill_removed AFTER DELETE ON billing_bill
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION monitoring_tally_rows('bills');

INSERT INTO monitoring_tally (name, n) SELECT 'bills', count(*) FROM billing_bill;
"""

DROP_TALLY = """
DROP TRIGGER monitoring_bill_added ON billing_bill;
DROP TRIGGER monitoring_bill_removed ON billing_bill;
DELETE FROM monitoring_tally WHERE name = 'bills';
"""


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0002_ledger"), ("billing", "0002_rules")]

    operations = [migrations.RunSQL(TALLY, DROP_TALLY)]
