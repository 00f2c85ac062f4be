"""The demo for newcomers, and the data set of the real size in small."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Q

from accounts.models import User
from audit.models import Entry
from bags.models import Bag, Link
from billing.models import Bill
from billing.services import create_bill
from monitoring import demo
from monitoring.models import Statistics
from scanning.models import Outcome, Scan, Station

pytestmark = pytest.mark.django_db


def make_demo(capsys, *arguments: str) -> str:
    call_command("make_demo", *arguments)
    return capsys.readouterr().out


def test_the_passwords_that_are_shown_sign_in(client, capsys):
    said = make_demo(capsys)
    assert "These are shown once" in said
    shown = re.findall(r"^  (\w+) +(\S+-\d{4}) +(Admin|Biller|Dispatcher)$", said, re.MULTILINE)
    assert {name: role for name, _, role in shown} == {
        "asha": "Admin",
        "meena": "Biller",
        "ravi": "Dispatcher",
    }
    for username, password, _ in shown:
        answer = client.post("/login/", {"username": username, "password": password})
        assert answer.status_code == 302, username
        assert int(client.session["_auth_user_id"]) == User.objects.get(username=username).pk
        client.logout()


def test_the_small_demo_has_something_of_everything(capsys):
    make_demo(capsys)
    parents = Bag.objects.parents().order_by("id").values_list("qr_id", "child_count", "status")
    assert list(parents) == [
        ("SB00001", 30, "completed"),
        ("SB00002", 30, "completed"),
        ("M444-00001", 15, "completed"),
        ("SB00003", 12, "in_progress"),
        ("M444-00002", 6, "in_progress"),
    ]
    assert Bag.objects.get(label_no="0016586").qr_id == "STAR44GG24611:0016586"
    assert set(Scan.objects.values_list("outcome", flat=True)) == set(Outcome.values) - {
        Outcome.PARENT_OPENED,
        Outcome.PARENT_DISPATCHED,
        Outcome.IS_CHILD,
    }


def test_the_small_demo_has_a_bill_that_left_and_one_that_is_loaded(capsys):
    make_demo(capsys)
    bills = Bill.objects.with_totals().order_by("id")
    assert [(bill.status, bill.line_count, bill.children) for bill in bills] == [
        ("completed", 1, 15),
        ("processing", 2, 42),
    ]
    assert Bag.objects.get(dispatched_at__isnull=False).qr_id == "M444-00001"


def test_a_second_run_changes_nothing(capsys):
    make_demo(capsys)
    before = rows()
    assert make_demo(capsys) == "There are people already, so no demo was made.\n"
    assert rows() == before


def test_a_start_that_breaks_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr(demo, "PACKED", [("PACK-1", "SB00001", range(3)), ("PACK-1", None, [])])
    with pytest.raises(TypeError):
        demo.make_small()
    assert not User.objects.exists()
    assert not Bag.objects.exists()


def rows() -> list[int]:
    return [model.objects.count() for model in (User, Station, Bag, Link, Scan, Entry)]


@pytest.mark.parametrize("bags", [1, 31, 3000, 4567])
def test_a_large_demo_is_right_in_every_count(capsys, bags):
    make_demo(capsys, "--bags", str(bags))
    call_command("recount", "--check")
    said = Statistics.objects.get()
    children, scans = Bag.objects.children().count(), Scan.objects.count()
    assert said.total_bags == Bag.objects.count() == bags
    assert said.parent_bags == -(-bags // 30)
    assert said.child_bags == said.links == Link.objects.count() == children
    assert said.total_scans == scans
    assert said.total_bills == Bill.objects.count() == -(-said.parent_bags // 30)
    assert said.total_users == 120
    assert Station.objects.count() == 40
    if bags >= 3000:
        assert scans == pytest.approx(bags * 10 / 9, rel=0.05)


def test_a_large_demo_tells_one_story(capsys):
    make_demo(capsys, "--bags", "3000")
    full = Bag.objects.parents().filter(child_count=F("capacity"))
    assert full.filter(completed_at__isnull=True).count() == 0
    assert Bag.objects.parents().filter(qr_id__startswith="M444-").count() == 6
    scans = Scan.objects.aggregate(
        links=Count("pk", filter=Q(outcome__in=["linked", "completed"])),
        unlinked=Count("pk", filter=Q(link_id__isnull=True, outcome__in=["linked", "completed"])),
        opened=Count("pk", filter=Q(outcome="parent_created")),
        held=Count("pk", filter=Q(held_by__isnull=False)),
    )
    assert scans["links"] == Link.objects.count()
    assert scans["opened"] == Bag.objects.parents().count()
    assert scans["unlinked"] == 0
    elsewhere = Scan.objects.filter(outcome="linked_elsewhere").select_related("parent", "child")
    assert scans["held"] == len(elsewhere) > 0
    for scan in elsewhere:
        link = scan.child.link_to_parent
        assert scan.held_by["qr_id"] == link.parent.qr_id != scan.parent.qr_id
        assert scan.held_by["by"] == link.linked_by.full_name
        assert link.linked_at < scan.recorded_at
    for bill in Bill.objects.with_totals():
        assert bill.line_count == bill.lines.count() > 0
        on_it = Bag.objects.filter(bill_lines__bill=bill)
        assert set(on_it.values_list("dispatched_at", flat=True)) == {bill.completed_at}
        assert bill.children == sum(on_it.values_list("child_count", flat=True))
    call_command("check", "--database", "default")
    times = list(Scan.objects.order_by("id").values_list("recorded_at", flat=True))
    assert times == sorted(times)


def test_the_next_bag_gets_the_next_key(capsys):
    make_demo(capsys, "--bags", "100")
    assert Bag.objects.create(qr_id="NEXT", type="child").pk == 101
    person = User.objects.first()
    assert create_bill(user=person, capacity=1)[0].number == "BILL-00002"


@pytest.mark.parametrize(
    ("seed", "code"), [(1, "STAR24GG24642:0010810"), (7, "STAR24GG24828:0000293")]
)
def test_the_same_seed_makes_the_same_codes(seed, code):
    list(demo.make_large(100, seed))
    assert Bag.objects.children().earliest("id").qr_id == code


def test_a_large_demo_wants_a_database_without_bags(capsys):
    Bag.objects.create(qr_id="OLD", type="child")
    with pytest.raises(CommandError, match="There are bags already"):
        make_demo(capsys, "--bags", "100")


@pytest.mark.parametrize(
    ("bags", "message"),
    [("0", "at least 1"), ("4000000", "124,446 codes of the form SB#####. There are 99,999")],
)
def test_impossible_sizes_are_refused(capsys, bags, message):
    with pytest.raises(CommandError, match=message):
        make_demo(capsys, "--bags", bags)
