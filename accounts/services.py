"""Deeds on people. Each is recorded; a Refusal means that a rule said no and nothing changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from audit.record import record
from tracetrack.errors import Refusal, constraint_of


def change_role(*, user: User, role: str, by: User) -> None:
    """Raises Refusal (`own_role`, `last_admin`)."""
    if user.pk == by.pk:
        raise Refusal("own_role", _("Nobody can change their own role. Ask another admin."), 403)
    _change("user.role_changed", user, "role", role)


def deactivate_user(*, user: User) -> None:
    """The person is out with their next request. Raises Refusal (`last_admin`)."""
    _change("user.deactivated", user, "is_active", False)


def activate_user(*, user: User) -> None:
    """The person can sign in again."""
    _change("user.activated", user, "is_active", True)


def delete_user(*, user: User) -> None:
    """For a person who never did anything; whoever did is PROTECTed by history.

    Raises Refusal (`last_admin`), ProtectedError.
    """
    with _an_admin_remains():
        user.delete()


def _change(action: str, user: User, field: str, value: Any) -> None:
    """Set one field to `value` and record it; nothing when it has that value already."""
    with _an_admin_remains():
        people = User.objects.filter(pk=user.pk)
        before = people.select_for_update(no_key=True).values_list(field, flat=True).get()
        if before != value:
            people.update(**{field: value})
            record(action, user, before={field: before}, after={field: value})
    setattr(user, field, value)


@contextmanager
def _an_admin_remains() -> Iterator[None]:
    """A transaction in which the database's "no" to losing the last admin becomes a Refusal."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if constraint_of(error) != "accounts_last_admin":
            raise
        raise Refusal(
            "last_admin", _("This is the last active admin. Make somebody else an admin first.")
        ) from error
