"""Edits through the ORM record themselves."""

import pytest
from django.core import serializers
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.utils import timezone

from audit.models import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(dispatcher):
    return type(dispatcher).objects


@pytest.fixture
def entries(dispatcher):
    """The entries that were written after the person was made."""
    start = Entry.objects.latest("id").pk
    return lambda: list(Entry.objects.filter(pk__gt=start).order_by("id"))


def test_a_new_row_is_told_with_all_its_fields(people, entries):
    nila = people.create_user("nila", password="x", email="nila@example.com")
    [entry] = entries()
    assert (entry.action, entry.target_id, entry.before) == ("user.created", str(nila.pk), None)
    assert entry.after["email"] == "nila@example.com"
    assert entry.after["created_at"]
    assert not {"password", "last_login", "id"} & set(entry.after)


def test_an_edit_is_told_with_what_changed_only(dispatcher, entries):
    dispatcher.full_name, dispatcher.email = "Ravi K.", "ravi@example.com"
    dispatcher.save()
    [entry] = entries()
    assert entry.action == "user.updated"
    assert entry.before == {"full_name": "Ravi", "email": ""}
    assert entry.after == {"full_name": "Ravi K.", "email": "ravi@example.com"}


def test_what_is_compared_is_the_database_and_not_an_old_copy(people, dispatcher, entries):
    people.filter(pk=dispatcher.pk).update(full_name="Somebody else's edit")
    dispatcher.save()
    [entry] = entries()
    assert entry.before == {"full_name": "Somebody else's edit"}


def test_nothing_changed_is_nothing_told(dispatcher, entries):
    dispatcher.save()
    assert entries() == []


def test_fields_that_were_not_saved_are_not_told(dispatcher, entries):
    dispatcher.full_name, dispatcher.email = "Ravi K.", "ravi@example.com"
    dispatcher.save(update_fields=["email"])
    [entry] = entries()
    assert entry.after == {"email": "ravi@example.com"}


def test_what_the_database_works_out_is_told_as_it_came_out(dispatcher, entries):
    dispatcher.email = Concat(F("username"), Value("@example.com"))
    dispatcher.save()
    [entry] = entries()
    assert entry.after == {"email": "ravi@example.com"}


def test_a_removed_row_is_told_with_what_it_was(dispatcher, entries):
    pk = dispatcher.pk
    dispatcher.delete()
    [entry] = entries()
    assert (entry.action, entry.target_id, entry.after) == ("user.deleted", str(pk), None)
    assert entry.before["username"] == "ravi"
    assert "password" not in entry.before


def test_rows_removed_by_a_queryset_are_told_one_by_one(people, biller, entries):
    people.filter(username__in=["ravi", "meena"]).delete()
    assert [entry.action for entry in entries()].count("user.deleted") == 2


def test_sign_in_times_and_hashes_are_not_told(dispatcher, entries):
    dispatcher.last_login = timezone.now()
    dispatcher.password = "a-new-hash"
    dispatcher.save()
    assert entries() == []


def test_loaded_fixtures_are_not_told(people, dispatcher, entries, django_assert_num_queries):
    text = serializers.serialize("json", [dispatcher]).replace("Ravi", "Loaded")
    new = text.replace(f'"pk": {dispatcher.pk}', '"pk": 987654').replace('"ravi"', '"loaded"')
    for [loaded] in (list(serializers.deserialize("json", each)) for each in (text, new)):
        with django_assert_num_queries(1 if loaded.object.pk == dispatcher.pk else 2):
            loaded.save()
    assert people.filter(full_name="Loaded").count() == 2
    assert entries() == []


def test_an_edit_costs_two_queries_more(dispatcher, django_assert_num_queries):
    """One look before, one entry after."""
    dispatcher.full_name = "Ravi K."
    with django_assert_num_queries(2 + 3):  # a savepoint and its end are always there
        dispatcher.save(update_fields=["full_name"])
    with django_assert_num_queries(2 + 1):
        dispatcher.save(update_fields=["last_login"])


def test_every_model_that_is_named_in_the_settings_is_told(settings):
    from django.apps import apps
    from django.db.models import signals

    for label in settings.AUDITED_MODELS:
        model = apps.get_model(label)
        for signal in (signals.pre_save, signals.post_save, signals.post_delete):
            names = {receiver.__module__ for receiver in signal._live_receivers(model)[0]}
            assert "audit.receivers" in names, label
