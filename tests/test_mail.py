"""E-mails against a provider that fails in every way that providers do."""

import contextlib
import datetime
import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from accounts.models import User
from bags.models import Bag, Link
from billing.models import Bill
from billing.services import complete_bill, create_bill, reopen_bill
from billing.tests.trucks import driver, load
from conftest import PASSWORD
from tests.provider import RETRY_AFTER, Provider
from tracetrack.errors import Refusal
from tracetrack.mail import services
from tracetrack.mail.models import Job, Mail

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parent.parent
KEY = "key-that-nobody-may-see"
BILL = {
    "number": "BILL-00001",
    "customer": "Kisan & Sons",
    "destination": "Nagpur",
    "vehicle": "MH 31 AB 1234",
    "description": "",
    "by": "Meena",
    "parents": 5,
    "capacity": 5,
    "children": 128,
    "actual_kg": Decimal("128.000"),
    "expected_kg": Decimal("150.000"),
    "variance_kg": Decimal("-22.000"),
    "path": "/bills/BILL-00001/",
    "at": datetime.datetime(2026, 11, 24, 6, 30, tzinfo=datetime.UTC),
}


@pytest.fixture
def provider(settings) -> Iterator[Provider]:
    with Provider() as provider:
        settings.EMAIL_PROVIDER = "brevo"
        settings.ANYMAIL = {
            "BREVO_API_KEY": KEY,
            "BREVO_API_URL": provider.url,
            "REQUESTS_TIMEOUT": 0.7,  # seconds, so that no test waits for five
        }
        settings.MAIL_DEADLINE_SECONDS = 1.5
        settings.DEFAULT_FROM_EMAIL = "TraceTrack <noreply@seeds.example>"
        settings.PUBLIC_BASE_URL = "https://trace.seeds.example"
        yield provider


@pytest.fixture
def reader(biller) -> User:
    """Somebody with an address."""
    User.objects.filter(pk=biller.pk).update(email="meena@seeds.example")
    return User.objects.get(pk=biller.pk)


def send(*to: User, **more) -> list[Mail]:
    return services.send(name="bill_completed", to=to, **BILL | more)


def work() -> None:
    """What a worker does until nothing is due. In a thread of its own, as a browser's test before
    it may have left an event loop running in this one."""

    def until_done() -> None:
        with app.replace_connector(app.connector.get_worker_connector()) as running:
            running.run_worker(wait=False, install_signal_handlers=False, listen_notify=False)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(until_done).result()


def jobs() -> QuerySet:
    """Those of mails. At each full minute a worker adds others."""
    return Job.objects.filter(task_name="mail.deliver")


def later() -> list[float]:
    """Time passes until the open jobs are due. Returns the minutes that each had to wait."""
    waits = [
        (job.scheduled_at - timezone.now()).total_seconds() / 60
        for job in jobs().filter(status="todo", scheduled_at__isnull=False).order_by("id")
    ]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    return waits


# --- Once, or not at all ------------------------------------------------------------------------


def test_a_mail_arrives_with_subject_text_and_html(provider, reader):
    send(reader)
    assert provider.tried == []  # nobody waited for it
    work()
    [mail] = provider.accepted
    assert mail["to"] == [{"email": "meena@seeds.example"}]
    assert mail["sender"] == {"name": "TraceTrack", "email": "noreply@seeds.example"}
    assert mail["subject"] == "Bill BILL-00001 for Kisan & Sons is completed"
    assert "Bill BILL-00001 was completed by Meena on 24 Nov 2026, 12:00." in mail["textContent"]
    assert "Customer: Kisan & Sons\n" in mail["textContent"]
    assert "Variance: -22 kg" in mail["textContent"]
    assert "Kisan &amp; Sons" in mail["htmlContent"]
    assert provider.keys == {KEY}
    row = Mail.objects.get()
    assert (row.state, row.attempts, row.provider_id) == ("sent", 1, "<1@brevo>")
    assert not jobs().exists()  # done jobs do not pile up


def test_links_are_built_from_the_setting_and_not_from_a_request(provider, reader):
    send(reader)
    work()
    [mail] = provider.accepted
    for text in (mail["textContent"], mail["htmlContent"]):
        assert "https://trace.seeds.example/bills/BILL-00001/" in text
        assert "https://trace.seeds.example/account/" in text


def test_it_is_in_the_language_of_the_person(provider, reader):
    reader.language = "hi"
    reader.save()
    send(reader)
    work()
    [mail] = provider.accepted
    assert '<html lang="hi">' in mail["htmlContent"]


def test_a_rollback_leaves_neither_mail_nor_job(provider, reader):
    with transaction.atomic():
        send(reader)
        transaction.set_rollback(True)
    assert not Mail.objects.exists()
    assert not jobs().exists()
    work()
    assert provider.tried == []


def test_before_the_commit_no_worker_sees_it(provider, reader):
    with transaction.atomic():
        send(reader)
        other = threading.Thread(target=work)
        other.start()
        other.join(timeout=30)
        assert provider.tried == []
    work()
    assert len(provider.accepted) == 1


def test_a_hundred_people_cost_as_many_statements_as_one(reader):
    people = [
        User(username=f"p{n}", email=f"p{n}@seeds.example", role="biller") for n in range(100)
    ]
    User.objects.bulk_create(people)
    costs = []
    for to in ([reader], people):
        with CaptureQueriesContext(connection) as queries:
            send(*to)
        costs.append([query["sql"].split()[0] for query in queries])
    assert costs[0] == costs[1] == ["BEGIN", "INSERT", "SELECT", "COMMIT"]
    assert jobs().count() == 101


def test_nobody_and_people_without_an_address_cost_nothing(biller, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert send() == send(biller) == []


def test_two_jobs_at_once_send_it_once(provider, reader):
    provider.mood = "slow"
    [mail] = send(reader)
    app.configure_task("mail.deliver", queue="mail").defer(mail=mail.pk)  # a second job for it
    work()  # does both at the same time
    later()
    work()
    assert len(provider.tried) == 1
    assert not jobs().exists()


@pytest.mark.control
def test_without_the_lock_they_send_it_twice(provider, reader, monkeypatch):
    monkeypatch.setattr(
        "tracetrack.mail.models.MailQuerySet.select_for_update", lambda self, **how: self
    )
    with pytest.raises(AssertionError):
        test_two_jobs_at_once_send_it_once(provider, reader)


# --- A provider that fails ----------------------------------------------------------------------

PASSING = ["black hole", "drip", "down", "broken", "wrong key", "too many", "garbage"]


@pytest.mark.parametrize("mood", PASSING)
def test_what_passes_is_tried_again_and_arrives_once(provider, reader, mood):
    provider.mood = mood
    send(reader)
    work()
    row = Mail.objects.get()
    assert (row.state, row.attempts) == ("waiting", 1)
    assert row.last_error
    assert KEY not in row.last_error
    assert provider.accepted == []
    [wait] = later()
    assert wait == pytest.approx(RETRY_AFTER / 60 if mood == "too many" else 1, abs=0.2)
    provider.mood = "ok"
    work()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.last_error) == ("sent", 2, "")
    assert len(provider.accepted) == 1


def test_an_answer_that_never_ends_is_cut_off(provider, reader):
    """No time-out between two bytes ends it; neither a thread nor a connection stays with it."""
    provider.mood = "drip"
    threading.Timer(15, provider.go_on.set).start()
    send(reader)
    began = time.monotonic()
    work()
    assert 1.5 <= time.monotonic() - began < 12
    assert "TimeoutError: There was no whole answer within 1.5 s." in Mail.objects.get().last_error
    eventually(lambda: "mail" not in {thread.name for thread in threading.enumerate()})
    assert not provider.go_on.is_set()


def test_a_try_ends_before_the_database_would_end_its_transaction(settings):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setting::int FROM pg_settings"
            " WHERE name = 'idle_in_transaction_session_timeout'"
        )
        [limit] = cursor.fetchone()
    assert limit > settings.MAIL_DEADLINE_SECONDS * 1000


def test_a_slow_provider_is_waited_for(provider, reader):
    provider.mood = "slow"
    send(reader)
    work()
    assert Mail.objects.get().state == "sent"


def test_an_address_that_the_provider_refuses_is_given_up_at_once(provider, reader, caplog):
    provider.mood = "invalid"
    send(reader)
    with caplog.at_level(logging.ERROR, logger="tracetrack.mail"):
        work()
    row = Mail.objects.get()
    assert (row.state, row.attempts) == ("dead", 1)
    assert "email is not valid in to" in row.last_error
    assert "given up" in caplog.text
    assert not jobs().exists()


def test_cut_off_after_it_was_taken_comes_twice_and_can_be_known_as_one(provider, reader):
    provider.mood = "accept then cut"
    send(reader)
    work()
    provider.mood = "ok"
    later()
    work()
    assert Mail.objects.get().state == "sent"
    assert len(provider.accepted) == 2
    ids = {mail["headers"]["Message-ID"] for mail in provider.accepted}
    assert ids == {f"<{Mail.objects.get().message_id}@seeds.example>"}


def test_ten_tries_take_a_day_and_then_it_is_given_up(provider, reader, caplog):
    provider.mood = "broken"
    send(reader)
    work()
    waits = []
    while (waited := later()) and len(waits) < 20:
        waits += waited
        with caplog.at_level(logging.ERROR, logger="tracetrack.mail"):
            work()
    assert [round(wait) for wait in waits] == [1, 3, 9, 27, 81, 243, 360, 360, 360]
    row = Mail.objects.get()
    assert (row.state, row.attempts, len(provider.tried)) == ("dead", 10, 10)
    assert "given up" in caplog.text
    assert not jobs().exists()


def make_parent(code: str) -> Bag:
    return Bag.objects.create(qr_id=code, type="parent", capacity=30, kg_per_child=1)


def seconds_for(client: Client, bills: int) -> list[float]:
    """Create and complete so many bills; how long each request took."""
    took = []

    def post(path: str, **body) -> dict:
        began = time.monotonic()
        answer = client.post(path, body, "application/json")
        took.append(time.monotonic() - began)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    for number in range(bills):
        parent = make_parent(f"SB{number:05d}")
        made = post("/api/bills/", capacity=1, customer="Kisan & Sons")
        load(Bill.objects.get(pk=made["id"]), parent.qr_id)
        post(f"/api/bills/{made['id']}/complete/", confirmed=True)
    return took


def test_while_the_provider_is_down_no_bill_waits_and_then_every_mail_arrives_once(
    provider, reader, sign_in, start_worker
):
    """A real worker tries in vain meanwhile."""
    User.objects.filter(pk=reader.pk).update(mail_bill_created=True, mail_bill_completed=True)
    provider.mood = "black hole"
    start_worker()
    eventually(lambda: workers() == 1)
    took = seconds_for(sign_in(reader), bills=20)
    assert max(took) < 2  # seconds, less than the provider would make anybody wait
    assert provider.asked.wait(120)
    for mood in ("down", "broken"):
        provider.mood = mood
        later()
    assert provider.accepted == []
    provider.mood = "ok"
    provider.go_on.set()

    def all_sent() -> bool:
        later()
        return set(Mail.objects.values_list("state", flat=True)) == {"sent"}

    eventually(all_sent)
    arrived = Counter(mail["subject"] for mail in provider.accepted)
    customer = "for Kisan & Sons"
    bills = Bill.objects.values_list("number", flat=True)
    expected = [f"New bill {number} {customer}" for number in bills]
    expected += [f"Bill {number} {customer} is completed" for number in bills]
    assert arrived == dict.fromkeys(expected, 1)
    assert len(arrived) == 40


def test_a_bill_that_is_refused_or_sent_twice_tells_nothing_more(reader):
    User.objects.filter(pk=reader.pk).update(mail_bill_created=True, mail_bill_completed=True)
    creation = uuid.uuid4()
    for _ in range(2):
        bill, _ = create_bill(user=driver(), capacity=1, creation_id=creation)
    with pytest.raises(Refusal):
        create_bill(user=driver(), capacity=0)
    with pytest.raises(Refusal):
        complete_bill(bill_id=bill.pk, user=driver(), confirmed=True)
    assert [mail.name for mail in Mail.objects.all()] == ["bill_created"]
    assert jobs().count() == 1


def test_a_completed_bill_is_told_with_its_weights_of_that_moment(provider, reader):
    User.objects.filter(pk=reader.pk).update(mail_bill_completed=True)
    parent = make_parent("SB00001")
    for number in range(3):
        child = Bag.objects.create(qr_id=f"K{number}", type="child")
        Link.objects.create(parent=parent, child=child)
    bill, _ = create_bill(user=driver(), capacity=2, customer="Kisan", vehicle="MH 31")
    load(bill, "SB00001")
    complete_bill(bill_id=bill.pk, user=driver(), confirmed=True)
    reopen_bill(bill_id=bill.pk, user=driver(), reason="one more")
    work()
    [mail] = provider.accepted
    for line in ("Parents: 1 of 2", "Children: 3", "Actual weight: 3 kg", "Variance: -27 kg"):
        assert line in mail["textContent"].splitlines()
    assert f"Bill {bill.number} was completed by driver on " in mail["textContent"]
    page = f"https://trace.seeds.example/admin/billing/bill/{bill.pk}/change/"
    assert page in mail["textContent"].splitlines()


def test_a_template_with_a_mistake_stops_only_its_own_mail(provider, reader):
    services.send(name="no_such", to=[reader])
    send(reader)
    work()
    wrong, right = Mail.objects.order_by("pk")
    assert (wrong.state, right.state) == ("waiting", "sent")
    assert "TemplateDoesNotExist" in wrong.last_error


# --- What a person typed ------------------------------------------------------------------------


def test_what_was_typed_is_text_and_never_a_header_or_markup(provider, reader):
    typed = "<script>x</script>\r\nBcc: all@seeds.example {{7|add:7}}"
    send(reader, customer=typed, number=typed)
    work()
    [mail] = provider.accepted
    assert "\n" not in mail["subject"]
    assert "\r" not in mail["subject"]
    assert "<script>" not in mail["htmlContent"]
    assert "<script>x</script>" in mail["textContent"]
    assert "{{7|add:7}}" in mail["textContent"]
    assert set(mail["headers"]) == {"Message-ID", "Auto-Submitted"}


# --- No provider; again -------------------------------------------------------------------------


def test_without_a_provider_it_is_kept_and_can_be_read(settings, reader, admin_user, sign_in):
    settings.EMAIL_PROVIDER = ""
    send(reader)
    work()
    row = Mail.objects.get()
    assert (row.state, row.attempts, row.last_error) == ("kept", 0, "")
    page = sign_in(admin_user).get(f"/admin/mail/mail/{row.pk}/change/")
    assert "Bill BILL-00001 was completed by Meena" in page.text
    listed = sign_in(admin_user).get("/admin/mail/mail/?state=kept")
    assert "Bill BILL-00001 for Kisan &amp; Sons is completed" in listed.text


def test_an_admin_sends_again_what_was_kept_or_given_up(provider, reader, admin_user, sign_in):
    mails = [send(reader, number=f"BILL-{n}")[0] for n in range(4)]
    work()
    for mail, state in zip(mails, ("kept", "dead", "sent", "waiting"), strict=True):
        Mail.objects.filter(pk=mail.pk).update(state=state, attempts=10)
    later_job = app.configure_task("mail.deliver", schedule_in={"hours": 1})
    later_job.defer(mail=mails[3].pk)
    provider.accepted.clear()
    asked = {"action": "again", "_selected_action": [mail.pk for mail in mails]}
    done = sign_in(admin_user).post("/admin/mail/mail/", asked, follow=True)
    assert "2 e-mails will be sent." in done.text
    work()
    assert {mail["subject"].split()[1] for mail in provider.accepted} == {"BILL-0", "BILL-1"}
    again = sign_in(admin_user).post("/admin/mail/mail/", asked, follow=True)
    assert "0 e-mails will be sent." in again.text


def test_only_admins_see_mails_and_jobs_and_nobody_edits_them(reader, admin_user, sign_in):
    [mail] = send(reader)
    job = jobs().get()
    for path in ("/admin/mail/mail/", "/admin/mail/job/"):
        assert sign_in(admin_user).get(path).status_code == 200
        assert sign_in(reader).get(path).status_code == 403
        assert sign_in(admin_user).get(f"{path}add/").status_code == 403
    for path in (
        f"/admin/mail/mail/{mail.pk}/change/",
        f"/admin/mail/job/{job.pk}/change/",
    ):
        assert sign_in(admin_user).get(path).status_code == 200
        assert sign_in(admin_user).post(path, {"state": "sent"}).status_code == 403
    assert Mail.objects.get().state == "waiting"


def test_mails_leave_room_for_other_jobs(reader):
    """A provider that answers nobody holds up mails only: whatever else is due comes first."""
    send(reader, reader)
    app.configure_task("jobs.revive", queue="upkeep").defer(timestamp=0)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        worker = cursor.fetchone()[0]
        cursor.execute("SELECT task_name FROM procrastinate_fetch_job_v2(NULL, %s)", [worker])
        assert cursor.fetchone()[0] == "jobs.revive"


# --- A worker that ends in the middle -----------------------------------------------------------


@pytest.fixture
def start_worker(provider) -> Iterator[Callable[[], subprocess.Popen]]:
    """A real worker, on the test's database and provider."""
    at = connection.settings_dict
    options = connection.get_connection_params()
    url = f"postgresql://{at['USER']}:{at['PASSWORD']}@/{options['dbname']}"
    environment = os.environ | {
        "DATABASE_URL": f"{url}?host={at['HOST']}&port={at['PORT']}",
        "EMAIL_PROVIDER": "brevo",
        "EMAIL_API_KEY": KEY,
        "EMAIL_API_URL": provider.url,
        "EMAIL_FROM": "noreply@seeds.example",
        "EMAIL_TIMEOUT_SECONDS": "3",
        "PUBLIC_BASE_URL": "https://trace.seeds.example",
    }
    started = []

    def start() -> subprocess.Popen:
        command = [sys.executable, "manage.py", "procrastinate", "worker"]
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment))  # noqa: S603
        return started[-1]

    yield start
    for worker in started:
        worker.kill()
        worker.wait(timeout=30)


def eventually(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def test_a_real_worker_is_told_of_a_mail_and_ends_when_asked(provider, reader, start_worker):
    worker = start_worker()
    eventually(lambda: workers() == 1)
    send(reader)
    eventually(lambda: Mail.objects.get().state == "sent")
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    assert len(provider.accepted) == 1


def test_a_worker_killed_while_it_sends_loses_nothing(provider, reader, start_worker):
    """Its job is found by the next worker, here as if half a minute had passed."""
    provider.mood = "black hole"
    send(reader)
    worker = start_worker()
    assert provider.asked.wait(120)
    worker.kill()
    worker.wait(timeout=10)
    provider.mood = "ok"
    assert Mail.objects.get().state == "waiting"
    assert jobs().get().status == "doing"
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 seconds'"
        )
    with contextlib.suppress(AlreadyEnqueued):  # its minute may just have begun
        app.configure_task("jobs.revive", queue="upkeep").defer(timestamp=0)
    start_worker()
    eventually(lambda: Mail.objects.get().state == "sent")
    assert len(provider.accepted) == 1


def workers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        return cursor.fetchone()[0]


def test_a_mail_that_ends_its_worker_each_time_is_given_up(provider, reader, caplog):
    [mail] = send(reader)
    Mail.objects.update(attempts=10)  # ten tries have begun and none of them has ended
    with caplog.at_level(logging.ERROR, logger="tracetrack.mail"):
        services.deliver(mail_id=mail.pk)
    assert Mail.objects.get().state == "dead"
    assert "in the middle of each try" in caplog.text
    assert provider.tried == []


def test_a_mail_that_lost_its_job_gets_another(provider, reader):
    send(reader)
    jobs()._raw_delete("default")
    send(reader, number="BILL-00002")  # this one has a job, and gets no second
    assert services.find_forgotten() == 1
    assert services.find_forgotten() == 0
    work()
    assert len(provider.accepted) == 2


def test_a_job_that_began_and_never_ended_does_not_hold_its_mail(provider, reader):
    send(reader)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing'")  # writes its event
        assert services.find_forgotten() == 0
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '6 minutes'")
    assert services.find_forgotten() == 1


# --- Who asked for it ---------------------------------------------------------------------------


def test_wanting_are_those_who_asked_have_an_address_and_may_know():
    def add(name, **fields):
        wanted = {"email": f"{name}@seeds.example", "role": "biller", "mail_bill_created": True}
        User.objects.create_user(name, password=PASSWORD, **wanted | fields)

    add("asked")
    add("boss", role="admin")
    add("silent", mail_bill_created=False, mail_bill_completed=True)
    add("homeless", email="")
    add("gone", is_active=False)
    add("demoted", role="dispatcher")
    assert [str(user) for user in User.objects.wanting("bill_created")] == ["asked", "boss"]
    assert [str(user) for user in User.objects.wanting("bill_completed")] == ["silent"]


# --- Settings -----------------------------------------------------------------------------------

COMPLETE = {
    "EMAIL_PROVIDER": "Brevo ",
    "EMAIL_API_KEY": KEY,
    "EMAIL_FROM": "noreply@seeds.example",
    "PUBLIC_BASE_URL": "https://trace.seeds.example",
}


def check(**environment: str) -> subprocess.CompletedProcess:
    # The tests in the browser need the one variable that a deployment may not have.
    clean = {name: value for name, value in os.environ.items() if "ASYNC_UNSAFE" not in name}
    return subprocess.run(  # noqa: S603  our own command
        [sys.executable, "manage.py", "check", "--deploy"],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_production_with_a_provider_passes_every_check():
    at = {"ENVIRONMENT": "production", "ALLOWED_HOSTS": "trace.seeds.example"}
    secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
    done = check(SESSION_SECRET=secret, DATABASE_URL="postgresql://a@b/c", **at, **COMPLETE)
    assert (done.returncode, "no issues" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"EMAIL_PROVIDER": "pigeon"}, "EMAIL_PROVIDER must be one of brevo, "),
        ({"EMAIL_API_KEY": ""}, "EMAIL_API_KEY must be set"),
        ({"EMAIL_FROM": ""}, "EMAIL_FROM must be set"),
        ({"PUBLIC_BASE_URL": ""}, "PUBLIC_BASE_URL must be set"),
        ({"PUBLIC_BASE_URL": "trace.seeds.example"}, "PUBLIC_BASE_URL must be like https://"),
    ],
)
def test_half_a_provider_stops_the_start_with_one_sentence(wrong, sentence):
    done = check(**COMPLETE | wrong)
    assert done.returncode == 1
    assert sentence in done.stderr
