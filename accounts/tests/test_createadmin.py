"""manage.py createadmin"""

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.tests.test_people import WEAK
from audit.models import Entry
from conftest import PASSWORD

pytestmark = pytest.mark.django_db


def create(username: str, *options: str) -> str:
    out = io.StringIO()
    call_command("createadmin", username, *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def typed(monkeypatch):
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_password_is_made_shown_once_and_opens(enter):
    shown = create("Asha")
    password = shown.split()[-1]
    user = User.objects.get(username="asha")
    assert user.role == "admin"
    assert shown.count(password) == 1
    assert enter("asha", password).status_code == 302


def test_each_password_is_another():
    assert create("asha").split()[-1] != create("omar").split()[-1]


def test_a_given_password_is_read_and_not_shown(typed, enter):
    typed(f"{PASSWORD}\n")
    assert PASSWORD not in create("asha", "--password-stdin")
    assert enter("asha").status_code == 302


@pytest.mark.parametrize("password", [*WEAK, "asha"])
def test_a_weak_password_makes_nobody(typed, password):
    typed(f"{password}\n")
    with pytest.raises(CommandError, match="password"):
        create("asha", "--password-stdin")
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["ASHA", "", "no spaces please", "x" * 151])
def test_a_name_that_is_taken_or_impossible_makes_nobody(name):
    create("asha")
    with pytest.raises(CommandError):
        create(name)
    assert User.objects.count() == 1


def test_it_is_an_entry_by_a_command_without_the_password():
    password = create("asha").split()[-1]
    entry = Entry.objects.get()
    assert (entry.action, entry.channel, entry.actor) == ("user.created", "command", None)
    assert password not in str(entry.after)
