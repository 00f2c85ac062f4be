"""What an entry tells."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import RequestFactory

from audit.context import Context, use
from audit.models import Entry
from audit.record import record

pytestmark = pytest.mark.django_db


def test_it_tells_who_what_to_which_thing_from_where(dispatcher, biller):
    request = RequestFactory().get("/api/x", REMOTE_ADDR="2001:db8::7")
    request.user = dispatcher
    with use(Context(request_id="abc12345", channel="api", request=request)):
        record("user.praised", biller, before={"praise": 0}, after={"praise": 1}, reason="earned")
    entry = Entry.objects.get(action="user.praised")
    assert (entry.actor, entry.actor_name, entry.actor_role) == (dispatcher, "Ravi", "dispatcher")
    assert entry.target_type == "accounts.user"
    assert (entry.target_id, entry.target_label) == (str(biller.pk), "Meena")
    assert (entry.before, entry.after, entry.reason) == ({"praise": 0}, {"praise": 1}, "earned")
    assert (entry.request_id, entry.ip, entry.channel) == ("abc12345", "2001:db8::7", "api")
    assert entry.at is not None


def test_it_costs_one_query(dispatcher, django_assert_num_queries):
    with django_assert_num_queries(1):
        record("bag.created", actor=dispatcher)


def test_it_goes_with_the_deed_or_not_at_all():
    def deed():
        with transaction.atomic():
            record("bag.created")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        deed()
    assert not Entry.objects.exists()


def test_any_value_of_a_model_can_be_kept():
    record(
        "bag.created",
        after={
            "kg": Decimal("1.500"),
            "at": datetime(2026, 1, 2, tzinfo=UTC),
            "on": date(2026, 1, 2),
            "id": uuid.UUID(int=1),
            "names": ("a", "ü"),
        },
    )
    assert Entry.objects.get().after == {
        "kg": "1.500",
        "at": "2026-01-02T00:00:00Z",
        "on": "2026-01-02",
        "id": "00000000-0000-0000-0000-000000000001",
        "names": ["a", "ü"],
    }


def test_secrets_are_never_kept_at_any_depth():
    mark = "canary"
    record(
        "user.updated",
        before={"password": mark, "totp_secret": mark, "kept": 1},
        after={"api_token": mark, "list": [{"Password2": mark, "kept": 2}]},
    )
    entry = Entry.objects.get()
    assert entry.before == {"kept": 1}
    assert entry.after == {"list": [{"kept": 2}]}


def test_the_entry_outlives_a_new_name(dispatcher):
    record("bag.created", actor=dispatcher)
    type(dispatcher).objects.filter(pk=dispatcher.pk).update(full_name="Ravi K.", role="biller")
    entry = Entry.objects.get(action="bag.created")
    assert (entry.actor_name, entry.actor_role) == ("Ravi", "dispatcher")
