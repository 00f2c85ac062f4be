"""Every migration of ours can be undone, and done again, to the very same schema."""

import uuid

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from scanning import services
from scanning.models import Scan

OURS = ["mail", "monitoring", "scanning", "bags", "audit", "accounts"]

SCHEMA = """
SELECT 'function', proname, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname = 'public' AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(c.oid)
FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace WHERE nspname = 'public'
UNION ALL
SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = 'public'
UNION ALL
SELECT 'column', table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable,
    column_default, character_maximum_length)
FROM information_schema.columns WHERE table_schema = 'public'
"""


def schema():
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return sorted(cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_all_the_way_back_and_up_again():
    before = schema()
    for app in OURS:
        call_command("migrate", app, "zero", verbosity=0)
        left = [name for name in connection.introspection.table_names() if name.startswith(app)]
        assert not left
    call_command("migrate", verbosity=0)
    assert schema() == before
    assert apps.get_model("bags", "Product").objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_queue_comes_to_scans_that_are_there(dispatcher):
    """Its columns come empty, without touching what was recorded, and the functions go on."""
    columns = "scan_id, outcome, raw, code, station_id, user_id, link_id, recorded_at"
    scans = f"SELECT {columns} FROM scanning_scan ORDER BY id"

    def scan(code, parent=None):
        values = {"scan_id": uuid.uuid4(), "station": "PACK-1", "user": dispatcher, "code": code}
        values["scanned_at"] = timezone.now()
        if parent:
            services.link_child(parent=parent, **values)
        else:
            services.open_parent(**values)

    def recorded():
        with connection.cursor() as cursor:
            cursor.execute(scans)
            return cursor.fetchall()

    scan("SB00001")
    scan("K1X", "SB00001")
    before = recorded()
    call_command("migrate", "scanning", "0002", verbosity=0)
    assert recorded() == before
    call_command("migrate", verbosity=0)
    assert recorded() == before
    scan("K2X", "SB00001")
    assert Scan.objects.filter(outcome="linked", device=None, seq=None, late=False).count() == 2
