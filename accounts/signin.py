"""Password checks, one at a time for each account."""

from django.contrib.auth import authenticate
from django.db import connection, transaction
from django.http import HttpRequest

from accounts.models import User, axes_username

# Two keys keep clear of other locks by advice: this one, and the name.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtext('accounts.signin'), hashtext(%(username)s))"


def authenticate_in_turn(request: HttpRequest, *, username: str, password: str) -> User | None:
    """The person whose password this is; None when it is wrong or the account is locked.

    Failures are counted only after the hasher has run, so checks of one name that run side by
    side all pass before the first is counted. Here they wait for each other, across all
    processes, until the failure before them is committed. Other names wait for nobody.
    Raises OperationalError when the turn does not come within the database's lock time-out.
    """
    with transaction.atomic():
        _wait_for_turn(axes_username(request, {"username": username}))
        return authenticate(request, username=username, password=password)


def _wait_for_turn(username: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TAKE_TURN, {"username": username})
