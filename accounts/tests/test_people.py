"""Names, roles and what follows from them."""

import re
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from accounts.passwords import CompositionValidator
from conftest import PASSWORD

ROOT = Path(__file__).resolve().parent.parent.parent

SCANNING = {
    "bags.view_bag",
    "bags.view_link",
    "bags.view_product",
    "scanning.view_station",
    "scanning.view_scan",
    "scanning.add_scan",
    "scanning.undo_scan",
    "scanning.view_undo",
    "scanning.view_scanexception",
    "scanning.move_child",
    "monitoring.view_statistics",
}
BACK_OFFICE = {
    "admin.view_site",
    "scanning.resolve_exception",
    "scanning.view_board",
    "scanning.view_device",
    *(f"billing.{action}_bill" for action in ("view", "add", "change", "delete")),
    *(f"billing.{action}_bill" for action in ("load", "complete", "reopen")),
    *(f"billing.{action}_returnticket" for action in ("view", "add", "change")),
    *(f"billing.view_{model}" for model in ("billline", "billscan", "returnline")),
}
ADMIN_ONLY = {
    *(f"bags.{action}_bag" for action in ("add", "change", "delete")),
    *(f"bags.{action}_product" for action in ("add", "change", "delete")),
    *(f"bags.{action}_link" for action in ("add", "delete")),
    *(f"scanning.{action}_station" for action in ("add", "change", "delete")),
    *(f"accounts.{action}_user" for action in ("view", "add", "change", "delete")),
    "audit.view_entry",
    "mail.view_mail",
    "mail.resend_mail",
    "mail.view_job",
}
NOBODY = {
    *(f"audit.{action}_entry" for action in ("add", "change", "delete")),
    *(f"scanning.{action}_scan" for action in ("change", "delete")),
    *(f"scanning.{action}_undo" for action in ("add", "change", "delete")),
    *(f"scanning.{action}_scanexception" for action in ("add", "change", "delete")),
    *(f"scanning.{action}_device" for action in ("add", "change", "delete")),
    *(f"mail.{action}_mail" for action in ("add", "change", "delete")),
    *(f"mail.{action}_job" for action in ("add", "change", "delete")),
    "bags.change_link",
    "auth.view_group",
    "no.such_thing",
}


# --- Names --------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("spelling", ["Bob", " bob ", "BOB", "ｂｏｂ", "bob\u3000"])
def test_a_name_has_one_spelling(spelling):
    assert User.objects.create_user(spelling).username == "bob"
    assert User.objects.get_by_natural_key(spelling.swapcase()).username == "bob"


@pytest.mark.django_db
def test_the_database_takes_each_name_once_and_only_its_one_spelling():
    User.objects.create_user("bob")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("BOB")
    for wrong in ("Bob", ""):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(username="bob").update(username=wrong)


@pytest.mark.django_db
def test_every_letter_has_a_spelling_that_the_database_takes():
    """What Python makes small must also be small for the database's CHECK."""
    letters = [chr(code) for code in range(1, 0x30000) if not 0xD800 <= code < 0xE000]
    names = {User.normalize_username(f"a{letter}a") for letter in letters}
    assert all(User.normalize_username(name) == name for name in names)
    with connection.cursor() as cursor:
        cursor.execute("SELECT n FROM unnest(%s::text[]) n WHERE n <> lower(n)", [list(names)])
        assert cursor.fetchall() == []


@pytest.mark.django_db
def test_the_name_is_indexed_once():
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'accounts_user'")
        names = {name for (name,) in cursor.fetchall()}
    assert names == {"accounts_user_pkey", "user_username_unique"}


@pytest.mark.django_db
def test_an_unknown_role_is_refused_by_the_database(dispatcher):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=dispatcher.pk).update(role="superuser")


@pytest.mark.django_db
def test_a_person_is_called_by_full_name_or_else_by_user_name():
    assert str(User(username="bob", full_name="Bob Ray")) == "Bob Ray"
    assert str(User(username="bob")) == "bob"


@pytest.mark.django_db
def test_superuser_is_only_djangos_word_for_admin():
    user = get_user_model().objects.create_superuser("root", password=PASSWORD)
    assert user.role == "admin"
    assert user.is_staff


# --- Roles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("dispatcher", SCANNING),
        ("biller", SCANNING | BACK_OFFICE),
        ("admin_user", SCANNING | BACK_OFFICE | ADMIN_ONLY),
    ],
)
def test_a_role_may_exactly_this(request, who, may):
    person = request.getfixturevalue(who)
    assert person.get_all_permissions() == may
    everything = SCANNING | BACK_OFFICE | ADMIN_ONLY | NOBODY
    assert {perm for perm in everything if person.has_perm(perm)} == may
    assert person.has_perms(may)
    assert not person.has_perms([*may, "no.such_thing"])
    assert person.is_staff == ("admin.view_site" in may)
    assert person.has_module_perms("audit") == ("audit.view_entry" in may)


def test_whoever_was_deactivated_may_nothing(admin_user):
    admin_user.is_active = False
    assert admin_user.get_all_permissions() == set()
    assert not admin_user.has_perm("bags.view_bag")
    assert not admin_user.is_staff


def test_a_new_role_counts_with_the_next_request(biller, sign_in):
    client = sign_in(biller)
    assert client.get("/admin/").status_code == 200
    User.objects.filter(pk=biller.pk).update(role="dispatcher")
    assert client.get("/admin/", follow=True).status_code == 403


def test_only_the_table_of_roles_decides_by_role():
    decision = re.compile(
        r"(^\s*|{%\s*)(if|elif|while|return)\b[^\n]*\.role\s*(==|!=|(not )?in\b)|is_superuser", re.M
    )
    for path in [*ROOT.glob("[a-z]*/*.py"), *ROOT.glob("templates/**/*.html")]:
        if path.name != "roles.py":
            found = decision.search(path.read_text())
            assert not found, f"{path.relative_to(ROOT)}: {found[0]}"


# --- Passwords ----------------------------------------------------------------------------------

WEAK = [
    "Ab1!",
    "Ab1!xyz",
    "lower-case-1",
    "UPPER and no digit!",
    "NoSpecial123",
    "Only Spaces 123",
    "Ab1!" * 33,
    "12345678",
    "!!!!!!!!",
    "",
]
STRONG = ["Seeds-2026!", "A long sentence, with 1 digit", "Ärger9🙂🙂🙂🙂", "Xy1-" * 32]


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_is_refused_in_plain_words(password):
    with pytest.raises(ValidationError) as caught:
        CompositionValidator().validate(password)
    assert all(message.startswith("The password must") for message in caught.value.messages)


@pytest.mark.parametrize("password", STRONG)
def test_a_strong_password_is_taken(password):
    CompositionValidator().validate(password)
