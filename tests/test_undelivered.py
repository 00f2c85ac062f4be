"""E-mails that nobody got are told to admins; what was sent long ago goes."""

import datetime

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django import app

from accounts import roles
from accounts.models import User
from tests.test_mail import send, work
from tracetrack.mail import services, sql
from tracetrack.mail.models import Job, Mail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reader(biller) -> User:
    biller.email = "meena@seeds.example"
    biller.save()
    return biller


# --- What nobody got ----------------------------------------------------------------------------

PAGES = ["/admin/", "/dashboard/", "/dashboard/live/"]
OPEN = "/admin/mail/mail/?undelivered=open"


def given_up(reader, count: int) -> list[Mail]:
    mails = [send(reader, number=f"BILL-{n}")[0] for n in range(count)]
    Job.objects.all().delete()
    Mail.objects.update(state="dead", attempts=10)
    return mails


@pytest.mark.parametrize("path", PAGES)
def test_what_was_given_up_is_told_to_who_may_see_mails(path, reader, admin_user, sign_in):
    admin, other = sign_in(admin_user), sign_in(reader)
    assert "could not be delivered" not in admin.get(path).text
    given_up(reader, 1)
    assert "1 e-mail could not be delivered" in admin.get(path).text
    given_up(reader, 2)
    page = admin.get(path).text
    assert "3 e-mails could not be delivered" in page
    assert f'href="{OPEN}"' in page
    assert "could not be delivered" not in other.get(path).text
    assert admin.get(OPEN).context["cl"].result_count == 3


def test_it_is_told_no_more_when_sent_again_or_seen_to(reader, admin_user, sign_in):
    first, second, third = given_up(reader, 3)
    admin = sign_in(admin_user)

    def act(action: str, *mails: Mail) -> str:
        asked = {"action": action, "_selected_action": [mail.pk for mail in mails]}
        return admin.post("/admin/mail/mail/", asked, follow=True).text

    assert "1 e-mail is seen to." in act("seen_to", first)
    assert "0 e-mails are seen to." in act("seen_to", first)
    assert "2 e-mails could not be delivered" in admin.get("/admin/").text
    first.refresh_from_db()
    assert (first.state, first.seen_by) == ("dead", admin_user)
    assert first.seen_at
    assert "Asha" in admin.get(f"/admin/mail/mail/{first.pk}/change/").text
    seen = admin.get("/admin/mail/mail/?undelivered=seen").context["cl"].result_list
    assert [mail.pk for mail in seen] == [first.pk]
    act("again", second)
    assert "1 e-mail could not be delivered" in admin.get("/admin/").text
    act("seen_to", third)
    assert "could not be delivered" not in admin.get("/admin/").text
    act("again", first)
    Mail.objects.filter(state="waiting").update(state="dead")  # given up once more
    assert "2 e-mails could not be delivered" in admin.get("/admin/").text


def test_who_may_only_look_can_not_say_that_it_is_seen_to(reader, admin_user, sign_in, monkeypatch):
    [mail] = given_up(reader, 1)
    monkeypatch.setitem(roles.MAY, "admin", roles.MAY["admin"] - {"mail.resend_mail"})
    asked = {"action": "seen_to", "_selected_action": [mail.pk]}
    sign_in(admin_user).post("/admin/mail/mail/", asked)
    mail.refresh_from_db()
    assert mail.seen_at is None


def test_many_are_counted_by_one_index_and_not_to_the_end(reader, admin_user, sign_in):
    admin = sign_in(admin_user)
    given_up(reader, 1)
    with CaptureQueriesContext(connection) as one:
        admin.get("/dashboard/live/")
    Mail.objects.bulk_create(
        Mail(name="bill_completed", to="a@b.example", state="dead") for _ in range(150)
    )
    with CaptureQueriesContext(connection) as many:
        assert "99+ e-mails could not be delivered" in admin.get("/dashboard/live/").text
    assert len(many) == len(one)
    seen = {"state": "dead", "seen_at": timezone.now(), "seen_by": reader}
    Mail.objects.bulk_create(
        Mail(name="bill_completed", to="a@b.example", **seen) for _ in range(3000)
    )
    [query] = [one["sql"] for one in many if "mail_mail" in one["sql"]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE mail_mail")
        cursor.execute(f"EXPLAIN {query}")
        assert "mail_undelivered" in str(cursor.fetchall())


# --- What was sent long ago ---------------------------------------------------------------------


def test_sent_mails_go_after_three_months_and_all_others_stay(reader, monkeypatch):
    monkeypatch.setattr(services, "PURGED_AT_ONCE", 2)
    now = timezone.now()

    def made(state: str, days: float) -> Mail:
        at = now - datetime.timedelta(days=days)
        values = {"state": state, "created_at": at, "sent_at": at if state == "sent" else None}
        return Mail.objects.create(name="bill_completed", to="a@b.example", **values)

    for n in range(5):
        made("sent", 90.01 + n)
    kept = [made("sent", 89.9), *(made(state, 400) for state in ("dead", "kept", "waiting"))]
    with CaptureQueriesContext(connection) as queries:
        assert services.purge() == 5
    assert len([one for one in queries if "DELETE FROM mail_mail" in one["sql"]]) == 3
    assert set(Mail.objects.values_list("pk", flat=True)) == {mail.pk for mail in kept}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql.PURGE, {"before": now, "most": 2})
        assert "Seq Scan on mail_mail" not in str(cursor.fetchall())


def test_the_worker_does_it_each_night(reader):
    assert "mail.purge" in {
        task.task.name for task in app.periodic_registry.periodic_tasks.values()
    }
    [mail] = send(reader)
    Job.objects.all().delete()
    Mail.objects.update(state="sent", sent_at=timezone.now() - datetime.timedelta(days=91))
    app.configure_task("mail.purge", queue="upkeep").defer(timestamp=0)
    work()
    assert not Mail.objects.filter(pk=mail.pk).exists()
