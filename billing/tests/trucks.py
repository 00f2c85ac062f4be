"""Parents that leave and come back, for every test that needs one that has left."""

import uuid

from django.utils import timezone

from accounts.models import User
from bags.models import Bag
from billing import services
from billing.models import Bill


def driver() -> User:
    return User.objects.get_or_create(username="driver", defaults={"role": "biller"})[0]


def load(bill: Bill, *codes: str) -> None:
    for code in codes:
        services.load_parent(
            scan_id=uuid.uuid4(),
            bill_id=bill.pk,
            user=driver(),
            code=code,
            scanned_at=timezone.now(),
            accept_empty=True,
        )


def dispatch(*codes: str) -> Bill:
    """These parents leave on a bill of their own; all parents if none is named."""
    codes = codes or tuple(Bag.objects.parents().values_list("qr_id", flat=True))
    bill, _ = services.create_bill(user=driver(), capacity=len(codes))
    load(bill, *codes)
    return services.complete_bill(bill_id=bill.pk, user=driver(), confirmed=True)


def recall() -> None:
    """All that left is here again."""
    for bill in Bill.objects.completed():
        services.reopen_bill(bill_id=bill.pk, user=driver(), reason="back in the yard")
