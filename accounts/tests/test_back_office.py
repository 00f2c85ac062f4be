"""People in the back office."""

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.test_people import WEAK
from audit.models import Entry
from conftest import PASSWORD

LIST = reverse("admin:accounts_user_changelist")
ADD = reverse("admin:accounts_user_add")


def page(user: User, what: str = "change") -> str:
    return reverse(f"admin:accounts_user_{what}", args=[user.pk])


def form(user: User, **changes) -> dict:
    fields = ["username", "full_name", "email", "role", "language"]
    values = {field: getattr(user, field) for field in fields} | {"is_active": "on"} | changes
    return {name: value for name, value in values.items() if value is not None}


def new_person(**changes) -> dict:
    person = {"username": "nila", "full_name": "Nila", "email": "", "role": "biller"}
    return person | {"password1": PASSWORD, "password2": PASSWORD} | changes


@pytest.fixture
def client(admin_user, sign_in):
    return sign_in(admin_user)


def last_entry() -> Entry:
    return Entry.objects.latest("id")


# --- Who comes in -------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["biller", "dispatcher"])
def test_people_are_for_admins_only(request, who, sign_in, admin_user):
    client = sign_in(request.getfixturevalue(who))
    for address in (LIST, ADD, page(admin_user), page(admin_user, "delete")):
        assert client.get(address, follow=True).status_code == 403
        assert client.post(address, new_person(), follow=True).status_code == 403
    assert not User.objects.filter(username="nila").exists()


def test_a_biller_sees_no_people_no_history_and_no_groups_in_the_index(biller, sign_in):
    text = sign_in(biller).get("/admin/").text
    for absent in ("/admin/accounts/", "/admin/audit/", "/admin/auth/", "/admin/axes/"):
        assert absent not in text


def test_the_list_finds_by_name_role_and_state(client, biller):
    for query in ("q=meena", "role__exact=biller", "is_active__exact=1&q=Meena"):
        assert "meena" in client.get(f"{LIST}?{query}").text
    assert "meena" not in client.get(f"{LIST}?is_active__exact=0").text.split("result_list")[-1]


# --- New people ---------------------------------------------------------------------------------


def test_an_admin_makes_a_person_who_can_then_sign_in(client, enter):
    answer = client.post(ADD, new_person(username=" Nila "))
    assert answer.status_code == 302
    user = User.objects.get(username="nila")
    assert user.role == "biller"
    entry = Entry.objects.get(action="user.created", target_id=user.pk)
    assert entry.actor_name == "Asha"
    assert entry.channel == "admin"
    assert entry.after["role"] == "biller"
    assert enter("nila").status_code == 302


@pytest.mark.parametrize("password", [*WEAK, "password", "Password123"])
def test_a_weak_password_is_refused_when_a_person_is_made(client, password):
    answer = client.post(ADD, new_person(password1=password, password2=password))
    assert answer.status_code == 200
    assert "errornote" in answer.text
    assert not User.objects.filter(username="nila").exists()


def test_the_two_passwords_must_be_the_same(client):
    assert client.post(ADD, new_person(password2=PASSWORD + "x")).status_code == 200
    assert not User.objects.filter(username="nila").exists()


def test_a_name_is_taken_whatever_its_case(client, biller):
    answer = client.post(ADD, new_person(username="MEENA"))
    assert "already exists" in answer.text
    assert User.objects.count() == 2


# --- Changes ------------------------------------------------------------------------------------


def test_an_edit_is_one_entry_with_before_and_after(client, biller):
    count = Entry.objects.count()
    assert client.post(page(biller), form(biller, full_name="Meena R.")).status_code == 302
    entry = last_entry()
    assert Entry.objects.count() == count + 1
    assert (entry.action, entry.before, entry.after) == (
        "user.updated",
        {"full_name": "Meena"},
        {"full_name": "Meena R."},
    )


def test_only_what_was_edited_is_written(client, biller, django_assert_max_num_queries):
    """So that a password or sign-in of the same moment is not undone by an old copy."""
    with django_assert_max_num_queries(20) as queries:
        client.post(page(biller), form(biller, full_name="Meena R."))
    [update] = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "accounts_user"')]
    assert '"full_name" =' in update
    for untouched in ("password", "last_login", "role"):
        assert f'"{untouched}" =' not in update


def test_an_edit_that_changes_nothing_is_no_entry(client, biller):
    count = Entry.objects.count()
    client.post(page(biller), form(biller))
    assert Entry.objects.count() == count


def test_a_new_role_is_an_entry_of_its_own(client, biller):
    client.post(page(biller), form(biller, role="admin"))
    biller.refresh_from_db()
    assert biller.role == "admin"
    entry = last_entry()
    assert (entry.action, entry.before, entry.after) == (
        "user.role_changed",
        {"role": "biller"},
        {"role": "admin"},
    )
    assert entry.actor_name == "Asha"


def test_nobody_changes_their_own_role_not_even_with_a_forged_form(
    client, admin_user, second_admin
):
    assert 'name="role"' not in client.get(page(admin_user)).text
    client.post(page(admin_user), form(admin_user, role="biller", full_name="Asha K."))
    admin_user.refresh_from_db()
    assert (admin_user.role, admin_user.full_name) == ("admin", "Asha K.")


def test_the_last_admin_can_not_be_deactivated_and_the_form_says_why(client, admin_user):
    answer = client.post(page(admin_user), form(admin_user, is_active=None, full_name="New"))
    assert answer.status_code == 200
    assert "This is the last active admin." in answer.text
    assert 'value="New"' in answer.text  # what was typed is still there
    admin_user.refresh_from_db()
    assert (admin_user.is_active, admin_user.full_name) == (True, "Asha")


def test_all_admins_at_once_can_not_be_deactivated_and_the_list_says_why(
    client, admin_user, second_admin
):
    chosen = {"_selected_action": [admin_user.pk, second_admin.pk]}
    answer = client.post(LIST, {"action": "deactivate"} | chosen, follow=True)
    assert "This is the last active admin." in answer.text
    assert User.objects.active().count() == 2
    assert not Entry.objects.filter(action="user.deactivated").exists()


def test_chosen_people_are_deactivated_and_activated(client, biller, dispatcher):
    chosen = {"_selected_action": [biller.pk, dispatcher.pk]}
    client.post(LIST, {"action": "deactivate"} | chosen)
    assert User.objects.active().count() == 1
    assert last_entry().action == "user.deactivated"
    count = Entry.objects.count()
    client.post(LIST, {"action": "deactivate"} | chosen)
    assert Entry.objects.count() == count  # they are so already
    client.post(LIST, {"action": "activate"} | chosen)
    assert User.objects.active().count() == 3
    assert last_entry().action == "user.activated"


# --- Passwords ----------------------------------------------------------------------------------


def new_password(client, user, password, **more):
    address = reverse("admin:auth_user_password_change", args=[user.pk])
    return client.post(address, {"password1": password, "password2": password} | more)


def test_a_new_password_ends_the_sessions_and_is_an_entry_without_it(
    client, biller, sign_in, enter
):
    theirs = sign_in(biller)
    assert new_password(client, biller, "Other-Seeds-7").status_code == 302
    assert theirs.get("/").url.startswith("/login/")
    assert enter("meena", "Other-Seeds-7").status_code == 302
    entry = Entry.objects.get(action="user.password_changed")
    assert (entry.before, entry.after) == (None, None)
    assert entry.actor_name == "Asha"


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_is_refused_when_it_is_changed(client, biller, password):
    assert new_password(client, biller, password).status_code == 200
    assert User.objects.get(pk=biller.pk).password == biller.password


def own_password(client, password, old=PASSWORD):
    form = {"old_password": old, "new_password1": password, "new_password2": password}
    return client.post(reverse("admin:password_change"), form)


@pytest.mark.parametrize("password", WEAK)
def test_a_weak_password_of_ones_own_is_refused(client, admin_user, password):
    assert own_password(client, password).status_code == 200
    assert User.objects.get(pk=admin_user.pk).password == admin_user.password


def test_ones_own_password_needs_the_old_one_and_is_an_entry(client, sign_in, admin_user):
    elsewhere = sign_in(admin_user)
    assert own_password(client, "Other-Seeds-7", old="wrong").status_code == 200
    assert own_password(client, "Other-Seeds-7").status_code == 302
    assert last_entry().action == "user.password_changed"
    assert client.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


def test_nobody_can_be_left_without_a_password(client, biller):
    address = reverse("admin:auth_user_password_change", args=[biller.pk])
    assert "unset-password" not in client.get(address).text
    client.post(address, {"usable_password": "false", "unset-password": "1"})
    assert User.objects.get(pk=biller.pk).has_usable_password()


def test_no_hash_reaches_a_page_or_the_history(client, biller, admin_user):
    new_password(client, biller, "Other-Seeds-7")
    client.post(page(biller), form(biller, full_name="M"))
    stored = User.objects.get(pk=biller.pk).password
    for entry in Entry.objects.all():
        assert "password" not in {**(entry.before or {}), **(entry.after or {})}
    assert stored not in client.get(page(biller)).text


# --- Deleting -----------------------------------------------------------------------------------


def test_whoever_never_signed_in_can_be_deleted(client, biller):
    assert client.post(page(biller, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=biller.pk).exists()
    entry = last_entry()
    assert (entry.action, entry.target_label) == ("user.deleted", "Meena")
    assert entry.before["username"] == "meena"


def test_whoever_has_signed_in_stays_part_of_the_history(client, biller, enter):
    enter("meena")
    assert client.post(page(biller, "delete"), {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [biller.pk], "post": "yes"})
    assert User.objects.filter(pk=biller.pk).exists()


def test_many_people_at_once_can_not_be_deleted(client, biller):
    assert "delete_selected" not in client.get(LIST).text
    client.post(LIST, {"action": "delete_selected", "_selected_action": [biller.pk], "post": "yes"})
    assert User.objects.filter(pk=biller.pk).exists()


def test_a_race_for_the_last_admin_ends_in_a_sentence(client, second_admin, monkeypatch):
    """What the loser of the race sees, made certain: the winner's change comes in between."""
    from accounts import admin

    plain = admin.delete_user

    def overtaken(*, user):
        User.objects.exclude(pk=user.pk).update(role="biller")
        plain(user=user)

    monkeypatch.setattr(admin, "delete_user", overtaken)
    answer = client.post(page(second_admin, "delete"), {"post": "yes"}, follow=True)
    assert "This is the last active admin." in answer.text
    assert User.objects.filter(role="admin").count() == 2
