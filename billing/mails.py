"""What is told about bills, to those who asked for it."""

from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import User
from billing.models import Bill
from tracetrack.mail import services as mail


def tell(name: str, bill: Bill, *, by: User, at: datetime, **totals: Any) -> None:
    """An e-mail "bill_created" or "bill_completed", in the transaction of the deed."""
    mail.send(
        name=name,
        to=User.objects.wanting(name),
        number=bill.number,
        customer=bill.customer,
        destination=bill.destination,
        vehicle=bill.vehicle,
        description=bill.description,
        by=str(by),
        at=at,
        path=reverse("admin:billing_bill_change", args=[bill.pk]),
        **totals,
    )
