"""No old bag is called like a command either. Scans go on while this looks."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bags", "0004_no_commands")]

    operations = [ValidateConstraint("bag", "bags_bag_qr_id_no_command")]
