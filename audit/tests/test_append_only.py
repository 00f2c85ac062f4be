"""The history grows, and that is all it does."""

import pytest
from django.db import IntegrityError, connection, transaction

from audit.models import Entry
from audit.record import record

pytestmark = pytest.mark.django_db

CHANGES = [
    "UPDATE audit_entry SET action = 'nothing.happened'",
    "DELETE FROM audit_entry",
    "TRUNCATE audit_entry",
]


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("sql", CHANGES)
def test_the_database_refuses_to_change_or_remove(sql):
    record("bag.created")
    run("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE would stumble over their waiting checks
    with pytest.raises(IntegrityError, match="history"), transaction.atomic():
        run(sql)
    assert Entry.objects.get().action == "bag.created"


def test_the_orm_gets_the_same_answer():
    entry = record("bag.created")
    entry.action = "bag.deleted"
    for change in (entry.save, entry.delete, Entry.objects.all().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


@pytest.mark.control
@pytest.mark.parametrize("sql", CHANGES)
def test_without_its_triggers_it_could_be_changed(sql):
    record("bag.created")
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run("SET LOCAL session_replication_role = replica")
    run(sql)
    assert not Entry.objects.filter(action="bag.created").exists()


def test_whoever_did_something_can_not_be_removed_from_under_it(dispatcher):
    from django.db.models import ProtectedError

    record("bag.created", actor=dispatcher)
    with pytest.raises(ProtectedError):
        dispatcher.delete()


def test_the_channel_is_one_of_the_known_doors():
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(action="bag.created", channel="elsewhere")
