"""The last active admin stays, whoever asks and however."""

from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from accounts.services import change_role, deactivate_user, delete_user
from audit.models import Entry
from tracetrack.errors import Refusal


@contextmanager
def refused():
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        yield
    assert caught.value.__cause__.diag.constraint_name == "accounts_last_admin"


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE accounts_user SET role = 'biller'",
        "UPDATE accounts_user SET is_active = false",
        "UPDATE accounts_user SET role = 'dispatcher', is_active = false WHERE role = 'admin'",
        "DELETE FROM accounts_user",
    ],
)
def test_the_database_refuses(admin_user, second_admin, biller, sql):
    with refused():
        run(sql)
    assert User.objects.filter(role="admin", is_active=True).count() == 2


@pytest.mark.django_db
def test_an_inactive_admin_does_not_count(admin_user, second_admin):
    deactivate_user(user=second_admin)
    with refused():
        User.objects.filter(pk=admin_user.pk).update(role="biller")


@pytest.mark.django_db
def test_a_successor_may_be_named_in_the_same_statement(admin_user, biller):
    run("UPDATE accounts_user SET role = CASE role WHEN 'admin' THEN 'biller' ELSE 'admin' END")
    assert User.objects.get(role="admin") == biller


@pytest.mark.django_db
def test_other_people_can_always_go(admin_user, biller, dispatcher):
    delete_user(user=biller)
    deactivate_user(user=dispatcher)
    assert User.objects.active().get() == admin_user


@pytest.mark.django_db
@pytest.mark.parametrize(
    "deed",
    [
        lambda user, by: change_role(user=user, role="biller", by=by),
        lambda user, by: deactivate_user(user=user),
        lambda user, by: delete_user(user=user),
    ],
)
def test_a_deed_says_so_in_a_sentence_and_leaves_no_entry(admin_user, biller, deed):
    entries = Entry.objects.count()
    with pytest.raises(Refusal) as caught:
        deed(admin_user, biller)
    assert caught.value.code == "last_admin"
    assert Entry.objects.count() == entries
    assert User.objects.active().filter(role="admin").exists()


@pytest.mark.django_db
def test_nobody_changes_their_own_role(admin_user, second_admin):
    with pytest.raises(Refusal) as caught:
        change_role(user=admin_user, role="biller", by=admin_user)
    assert caught.value.code == "own_role"


# --- Two at once ----------------------------------------------------------------------------------


def outcome(deed) -> str:
    try:
        deed()
    except Refusal as refusal:
        return refusal.code
    return "done"


def demote_each_other(at_once) -> list[str]:
    asha, omar = (User.objects.create_user(name, role="admin") for name in ["asha", "omar"])
    return at_once(
        [
            lambda: outcome(lambda: change_role(user=omar, role="biller", by=asha)),
            lambda: outcome(lambda: change_role(user=asha, role="biller", by=omar)),
        ]
    )


@pytest.mark.django_db(transaction=True)
def test_of_two_who_demote_each_other_at_once_one_stays(at_once):
    for _ in range(8):
        assert sorted(demote_each_other(at_once)) == ["done", "last_admin"]
        assert User.objects.filter(role="admin").count() == 1
        _start_again()


@pytest.mark.control
@pytest.mark.django_db(transaction=True)
def test_without_the_lock_both_can_go(at_once):
    """Both look while neither has committed: what the lock is there for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('accounts_last_admin'::regproc)")
        whole = cursor.fetchone()[0]
    lock = "PERFORM pg_advisory_xact_lock(hashtext('accounts.last_admin'));"
    assert lock in whole
    run(whole.replace(lock, "").replace("RETURN NULL", "PERFORM pg_sleep(0.1); RETURN NULL"))
    try:
        assert demote_each_other(at_once) == ["done", "done"]
    finally:
        run(whole)


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_deleted_at_once_one_stays(at_once):
    asha, omar = (User.objects.create_user(name, role="admin") for name in ["asha", "omar"])
    jobs = [lambda u=user: outcome(lambda: delete_user(user=u)) for user in (asha, omar)]
    assert sorted(at_once(jobs)) == ["done", "last_admin"]
    assert User.objects.count() == 1


def _start_again() -> None:
    """People only; the guard is off for this one statement."""
    run("SET session_replication_role = replica")
    run("DELETE FROM accounts_user")
    run("SET session_replication_role = origin")
