"""What the database refuses about bills and tickets, as refusals that people understand."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _

from tracetrack.errors import Refusal, constraint_of

# The name of a constraint or trigger -> code, sentence, HTTP status.
SENTENCES = {
    "billing_bill_number_unique": (
        "number_taken",
        _("There is a bill with this number already."),
        409,
    ),
    "billing_bill_number_form": (
        "bad_number",
        _("A number is 1 to 64 letters, digits, spaces or . _ / : ( ) -."),
        422,
    ),
    "billing_bill_capacity_range": ("bad_capacity", _("The capacity is 1 to 500 parents."), 422),
    "billing_bill_within_capacity": (
        "below_loaded",
        _("There are more parents on the bill than that."),
        409,
    ),
    "billing_bill_completed": ("bill_empty", _("An empty bill can't be completed."), 409),
    "billing_bill_completed_fixed": (
        "bill_completed",
        _("The bill is completed. It can't change."),
        409,
    ),
    "billing_bill_has_returns": (
        "bill_has_returns",
        _("Parents of this bill came back, so it stays completed."),
        409,
    ),
    "billing_bill_kept": (
        "bill_not_new",
        _("Only an empty bill that was never completed can be deleted."),
        409,
    ),
    "billing_ticket_open": ("ticket_closed", _("The ticket is closed."), 409),
    "billing_ticket_fixed": (
        "ticket_closed",
        _("The ticket is closed or cancelled. It can't change."),
        409,
    ),
    "billing_ticket_reason": ("reason_needed", _("Say why the parents come back."), 422),
}


Given, Made = ParamSpec("Given"), TypeVar("Made")
TRIES = 3
PASSING = ("40001", "40P01", "55P03")  # two at once, a circle of waits, a lock that took too long


def patient(deed: Callable[Given, Made]) -> Callable[Given, Made]:
    """A deed that is tried again, up to three times, where others were only in its way.

    Inside of somebody else's transaction it is tried once: what came before it is lost then too.
    """

    @wraps(deed)
    def tried(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        for left in reversed(range(TRIES)):
            try:
                return deed(*args, **kwargs)
            except OperationalError as error:
                passing = getattr(error.__cause__, "sqlstate", None) in PASSING
                if connection.in_atomic_block or not passing or not left:
                    raise
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311  seconds
        raise AssertionError("unreachable")

    return tried


@contextmanager
def told() -> Iterator[None]:
    """Run a deed in a transaction; what a rule of the database refuses is raised as a Refusal."""
    try:
        with transaction.atomic():
            yield
    except ProtectedError as error:
        text = _("The bill has a history: parents were scanned for it. It can't be deleted.")
        raise Refusal("bill_has_history", text) from error
    except IntegrityError as error:
        rule = constraint_of(error)
        if rule not in SENTENCES:
            raise
        code, sentence, status = SENTENCES[rule]
        raise Refusal(code, sentence, status) from error
