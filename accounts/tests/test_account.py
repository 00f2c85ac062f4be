"""My account: what people decide for themselves."""

import pytest
from django.test import Client

from accounts.models import User
from audit.models import Entry

pytestmark = pytest.mark.django_db


def stored(person: User) -> tuple:
    row = User.objects.get(pk=person.pk)
    return row.email, row.mail_bill_created, row.mail_bill_completed, row.language


def test_a_biller_chooses_which_mails_and_where_to(sign_in, biller):
    page = sign_in(biller).get("/account/")
    assert "Meena" in page.text
    assert "Biller" in page.text
    assert "/admin/password_change/" in page.text
    wanted = {"email": "meena@seeds.example", "mail_bill_completed": "on", "language": "hi"}
    done = sign_in(biller).post("/account/", wanted, follow=True)
    assert "Saved." in done.text
    assert stored(biller) == ("meena@seeds.example", False, True, "hi")
    entry = Entry.objects.get(action="user.updated")
    assert entry.actor == biller
    assert entry.after == {
        "email": "meena@seeds.example",
        "mail_bill_completed": True,
        "language": "hi",
    }
    assert "checked" in sign_in(biller).get("/account/").text


def test_who_wants_mails_needs_an_address(sign_in, biller):
    done = sign_in(biller).post("/account/", {"mail_bill_created": "on", "language": "en"})
    assert "E-mails need an address to go to." in done.text
    done = sign_in(biller).post("/account/", {"email": "no address", "language": "en"})
    assert "Enter a valid email address." in done.text
    assert stored(biller) == ("", False, False, "en")


def test_who_may_not_see_bills_has_no_such_choice(sign_in, dispatcher):
    assert "mail_bill_created" not in sign_in(dispatcher).get("/account/").text
    wanted = {"email": "ravi@seeds.example", "mail_bill_created": "on", "language": "hi"}
    sign_in(dispatcher).post("/account/", wanted)
    assert stored(dispatcher) == ("ravi@seeds.example", False, False, "en")


def test_nothing_else_can_be_posted(sign_in, biller):
    more = {"role": "admin", "username": "root", "is_active": "", "full_name": "Boss"}
    sign_in(biller).post("/account/", {"email": "", "language": "en"} | more)
    biller.refresh_from_db()
    named = (biller.role, biller.username, biller.is_active, biller.full_name)
    assert named == ("biller", "meena", True, "Meena")
    assert not Entry.objects.filter(action="user.updated").exists()


def test_strangers_sign_in_first_and_the_menu_leads_there(sign_in, dispatcher):
    assert Client().get("/account/")["Location"] == "/login/?next=/account/"
    assert 'href="/account/"' in sign_in(dispatcher).get("/dashboard/").text


def test_an_admin_sets_the_choices_of_others(sign_in, admin_user, biller):
    fields = {"username": "meena", "full_name": "Meena", "role": "biller", "is_active": "on"}
    wanted = {"email": "m@seeds.example", "mail_bill_created": "on", "language": "hi"}
    sign_in(admin_user).post(f"/admin/accounts/user/{biller.pk}/change/", fields | wanted)
    assert stored(biller) == ("m@seeds.example", True, False, "hi")
    assert Entry.objects.filter(action="user.updated", actor=admin_user).exists()
