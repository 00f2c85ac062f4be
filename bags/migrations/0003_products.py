"""The two products that every warehouse starts with. They are data: admins edit them."""

from django.db import migrations

DEFAULTS = [
    {"name": "Mustard", "pattern": "SB#####", "capacity": 30, "kg_per_child": 1},
    {"name": "Moong", "pattern": "M444-#####", "capacity": 15, "kg_per_child": 1},
]


def add(apps, schema_editor):
    product = apps.get_model("bags", "Product")
    for values in DEFAULTS:
        product.objects.get_or_create(pattern=values["pattern"], defaults=values)


class Migration(migrations.Migration):
    dependencies = [("bags", "0002_triggers")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
