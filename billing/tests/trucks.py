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


class Truck:
    """Someone who loads bills over HTTP, as the page does."""

    def __init__(self, client):
        self.client = client

    def post(self, path, **body):
        return self.client.post(path, body, "application/json")

    def bill(self, capacity=5, **more):
        answer = self.post("/api/bills/", capacity=capacity, **more)
        assert answer.status_code == 201, answer.content
        return answer.json()["id"]

    def scan(self, path, code, scan_id=None, **more):
        body = {"scan_id": str(scan_id or uuid.uuid4()), "code": code}
        return self.post(path, scanned_at="2026-11-24T10:00:00+05:30", **body, **more)

    def load(self, bill, code, **more):
        return self.scan(f"/api/bills/{bill}/load/", code, **more)

    def unload(self, bill, code, **more):
        return self.scan(f"/api/bills/{bill}/unload/", code, **more)

    def complete(self, bill, confirmed=True, **more):
        return self.post(f"/api/bills/{bill}/complete/", confirmed=confirmed, **more)

    def reopen(self, bill, reason="one more sack"):
        return self.post(f"/api/bills/{bill}/reopen/", reason=reason)

    def ticket(self, reason="wet"):
        return self.post("/api/returns/", reason=reason).json()["id"]

    def back(self, ticket, code, **more):
        return self.scan(f"/api/returns/{ticket}/return/", code, **more)

    def take_back(self, ticket, code, **more):
        return self.scan(f"/api/returns/{ticket}/take-back/", code, **more)

    def cancel(self, ticket, reason="mistake"):
        return self.post(f"/api/returns/{ticket}/cancel/", reason=reason)
