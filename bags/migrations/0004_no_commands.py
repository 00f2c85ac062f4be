"""No bag is called like a command to the station.

For new bags at once; 0005 looks at the old ones, in a transaction of its own that stops no scan.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("bags", "0003_products")]

    operations = [
        AddConstraintNotValid(
            model_name="bag",
            constraint=models.CheckConstraint(
                condition=~Q(qr_id__startswith="TRKCODE") | ~Q(qr_id__regex="^TRKCODE[A-Z]{1,16}$"),
                name="bags_bag_qr_id_no_command",
                violation_error_message="This code is a command to the station.",
            ),
        )
    ]
