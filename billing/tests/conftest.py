import pytest

from bags.models import Bag, Link
from billing.models import Bill
from billing.tests.trucks import Truck
from scanning.tests.conftest import Packer


@pytest.fixture
def packer(dispatcher, sign_in) -> Packer:
    return Packer(sign_in(dispatcher))


@pytest.fixture
def truck(biller, sign_in) -> Truck:
    return Truck(sign_in(biller))


@pytest.fixture
def pack(packer):
    """`pack("SB00001", 3)`: a parent with three children, labelled 0000100 and on for SB00001."""

    def packed(code: str, children: int) -> None:
        packer.scan(code)
        first = int("".join(c for c in code if c.isdigit())) * 100
        made = Bag.objects.bulk_create(
            Bag(
                qr_id=f"STAR44GG24611:{number:07d}",
                type="child",
                label_no=f"{number:07d}",
                lot_no="STAR44GG24611",
            )
            for number in range(first, first + children)
        )
        parent = Bag.objects.get(qr_id=code)
        Link.objects.bulk_create(Link(child=bag, parent=parent) for bag in made)

    return packed


@pytest.fixture
def desk(biller, sign_in):
    return sign_in(biller)


@pytest.fixture
def five(pack):
    """Five mustard parents with 128 children, as in the example of the domain."""
    for number, children in enumerate((30, 30, 30, 20, 18), start=1):
        pack(f"SB0000{number}", children)
    return [f"SB0000{number}" for number in range(1, 6)]


@pytest.fixture
def bill(biller):
    return Bill.objects.create(number="B-7", customer="Green Fields", capacity=5, created_by=biller)
