"""The station's queue: who sends, what it has said, what was refused when nobody looked.

Nothing here reads or rewrites the scans: new columns are empty or have a constant default.
(`NumbersField` is a field of our own, so this migration has to import it.)
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import scanning.models

APPEND_ONLY = """
CREATE TRIGGER scanning_verdict_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON scanning_verdict
    FOR EACH STATEMENT EXECUTE FUNCTION scanning_refuse_rewrite();
"""

DROP_APPEND_ONLY = "DROP TRIGGER scanning_verdict_append_only ON scanning_verdict;"

RESOLVED_ONCE = """
-- An exception changes once, from open to resolved, and what happened stays as it was.
CREATE FUNCTION scanning_resolve_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    decision text[] := '{resolved_at,resolved_by_id,resolution,reason}';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL
            AND to_jsonb(NEW) - decision = to_jsonb(OLD) - decision
        THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'An exception is resolved once, never changed or deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'scanning_exception_resolved_once';
END $$;

CREATE TRIGGER scanning_exception_resolved_once BEFORE UPDATE OR DELETE ON scanning_scanexception
    FOR EACH ROW EXECUTE FUNCTION scanning_resolve_once();
CREATE TRIGGER scanning_exception_not_emptied BEFORE TRUNCATE ON scanning_scanexception
    FOR EACH STATEMENT EXECUTE FUNCTION scanning_resolve_once();
"""

DROP_RESOLVED_ONCE = """
DROP TRIGGER scanning_exception_resolved_once ON scanning_scanexception;
DROP TRIGGER scanning_exception_not_emptied ON scanning_scanexception;
DROP FUNCTION scanning_resolve_once();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("scanning", "0002_functions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("device_id", models.UUIDField(help_text="Made by the page.")),
                (
                    "heard",
                    scanning.models.NumbersField(
                        db_default="{}", help_text="The numbers that got a verdict."
                    ),
                ),
                (
                    "issued",
                    models.BigIntegerField(db_default=0, help_text="The highest number given out."),
                ),
                (
                    "waiting",
                    models.PositiveIntegerField(db_default=0, help_text="How many it still holds."),
                ),
                (
                    "parent_code",
                    models.CharField(
                        db_default="", help_text="The parent that is open there.", max_length=255
                    ),
                ),
                (
                    "heard_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "station",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scanning.station",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ScanException",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item_id", models.UUIDField(help_text="The scan's or undo's own id.")),
                (
                    "kind",
                    models.CharField(
                        choices=[("scan", "Scan"), ("move", "Move"), ("undo", "Undo")], max_length=4
                    ),
                ),
                ("outcome", models.CharField(max_length=17)),
                ("happened_at", models.DateTimeField(help_text="The station's clock.")),
                (
                    "opened_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="The server's clock.",
                    ),
                ),
                ("resolved_at", models.DateTimeField(null=True)),
                (
                    "resolution",
                    models.CharField(
                        choices=[
                            ("dismissed", "Dismissed"),
                            ("moved", "Done after all"),
                            ("kept", "Left as it is"),
                        ],
                        db_default="",
                        default="",
                        max_length=9,
                    ),
                ),
                ("reason", models.TextField(db_default="", default="")),
                (
                    "resolved_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "scan",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scanning.scan",
                    ),
                ),
                (
                    "station",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scanning.station",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "exception",
            },
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("item_id", models.UUIDField()),
                ("kind", models.CharField(max_length=6)),
                ("body", models.JSONField()),
                (
                    "given_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("item_id",), name="scanning_verdict_item_unique"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="device",
            constraint=models.UniqueConstraint(
                fields=("device_id",), name="scanning_device_id_unique"
            ),
        ),
        migrations.AddIndex(
            model_name="scanexception",
            index=models.Index(
                condition=models.Q(("resolved_at", None)),
                fields=["id"],
                name="scanning_exception_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="scanexception",
            constraint=models.UniqueConstraint(
                fields=("item_id",), name="scanning_exception_item_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="scanexception",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("reason", ""),
                        ("resolution", ""),
                        ("resolved_at", None),
                        ("resolved_by", None),
                    ),
                    models.Q(
                        ("resolution__in", ["moved", "kept"]),
                        ("resolved_at__isnull", False),
                        ("resolved_by__isnull", False),
                    ),
                    models.Q(
                        ("resolution", "dismissed"),
                        ("resolved_at__isnull", False),
                        ("resolved_by__isnull", False),
                        models.Q(("reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="scanning_exception_resolved",
            ),
        ),
        # Room in each page, so that a device's row changes in place (HOT) with each scan.
        migrations.RunSQL(
            "ALTER TABLE scanning_device SET (fillfactor = 70)",
            "ALTER TABLE scanning_device RESET (fillfactor)",
        ),
        migrations.RunSQL(APPEND_ONLY, DROP_APPEND_ONLY),
        migrations.RunSQL(RESOLVED_ONCE, DROP_RESOLVED_ONCE),
        migrations.AddField(
            model_name="scan",
            name="late",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Judged when nobody looked any more."
            ),
        ),
        migrations.AddField(
            model_name="scan",
            name="seq",
            field=models.BigIntegerField(help_text="Its number on that device.", null=True),
        ),
        migrations.AddField(
            model_name="scan",
            name="device",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="scanning.device",
            ),
        ),
    ]
