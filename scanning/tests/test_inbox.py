"""The inbox of exceptions: who sees which, what it says, and what its buttons do."""

import re
import uuid
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from bags.models import Link
from billing.tests.trucks import dispatch, recall
from scanning.inbox import PAGE
from scanning.models import Scan, ScanException, Station
from scanning.tests.conftest import label

pytestmark = pytest.mark.django_db

INBOX = "/exceptions/"
CHILD = "STAR44GG24611:0000001"


@pytest.fixture
def supervisor(biller, sign_in):
    return sign_in(biller)


@pytest.fixture
def other(db, sign_in):
    """Another dispatcher."""
    return sign_in(User.objects.create_user("sunil", role="dispatcher", full_name="Sunil"))


def opened(number: int, user, station="PACK-1", **more) -> list[ScanException]:
    """Exceptions without a story, as many as are asked for."""
    at = Station.objects.get_or_create(name=station)[0]
    made = {"kind": "scan", "outcome": "bad_code", "station": at, "user": user}
    made |= {"happened_at": timezone.now(), "scan": bad_scan(user, at)} | more
    return [ScanException.objects.create(item_id=uuid.uuid4(), **made) for _ in range(number)]


def bad_scan(user, station, raw="?#!") -> Scan:
    return Scan.objects.create(
        scan_id=uuid.uuid4(),
        outcome="bad_code",
        raw=raw,
        code="",
        parent_code="SB00001",
        station=station,
        user=user,
        scanned_at=timezone.now(),
    )


def words(answer) -> str:
    """A page's text without tags, with single spaces."""
    text = re.sub(r"<[^>]*>", " ", answer.content.decode().split("<main")[1])
    return unescape(re.sub(r"\s+([,.])", r"\1", re.sub(r"\s+", " ", text)))


def listed(answer) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-exception="(\d+)"', answer.content.decode())]


def decide(client, exception, resolution, query="", **more):
    body = {"resolution": resolution, "item_id": str(uuid.uuid4())} | more
    return client.post(f"{INBOX}{exception.pk}/{query}", body)


def told(client, answer) -> str:
    """What the page says after the redirect."""
    assert answer.status_code == 302, answer.content
    page = client.get(answer["Location"].partition("#")[0]).content.decode()
    return unescape(
        re.search(r'<ul class="messages".*?<li class="[a-z]*">(.*?)</li>', page, re.S)[1]
    )


# --- Who may --------------------------------------------------------------------------------------


def test_strangers_sign_in_first(client, elsewhere):
    assert client.get(INBOX).status_code == 302
    assert decide(client, elsewhere, "kept")["Location"].startswith("/login/")
    assert ScanException.objects.open().count() == 1


def test_supervisors_see_all_and_others_their_own(
    elsewhere, dispatcher, other, biller, admin_user, sign_in
):
    for person in (dispatcher, biller, admin_user):
        assert listed(sign_in(person).get(INBOX)) == [elsewhere.pk]
    answer = other.get(INBOX)
    assert listed(answer) == []
    assert "Nothing waits for a decision." in words(answer)


def test_nobody_decides_what_is_not_theirs(elsewhere, other):
    assert decide(other, elsewhere, "kept").status_code == 403
    assert ScanException.objects.open().count() == 1


def test_without_the_permission_403(elsewhere, dispatcher, sign_in, monkeypatch):
    client = sign_in(dispatcher)  # whose own scan it is
    monkeypatch.setattr("accounts.roles.MAY", {"dispatcher": frozenset()})
    assert client.get(INBOX).status_code == 403
    assert decide(client, elsewhere, "kept").status_code == 403
    assert ScanException.objects.open().count() == 1


def test_only_a_post_decides(elsewhere, supervisor):
    """Who had to sign in first is led back with a GET."""
    answer = supervisor.get(f"{INBOX}{elsewhere.pk}/?station=PACK-1&resolution=kept")
    assert (answer.status_code, answer["Location"]) == (302, f"{INBOX}?station=PACK-1")
    assert 'class="messages"' not in supervisor.get(answer["Location"]).content.decode()
    assert ScanException.objects.open().count() == 1


def test_a_post_from_elsewhere_decides_nothing(elsewhere, biller):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(biller, backend="accounts.roles.RoleBackend")
    assert decide(strict, elsewhere, "kept").status_code == 403
    assert ScanException.objects.open().count() == 1


def test_one_that_is_not_there(supervisor, elsewhere):
    elsewhere.pk += 1
    assert decide(supervisor, elsewhere, "kept").status_code == 404


# --- What it says ---------------------------------------------------------------------------------


def test_a_scan_in_plain_words(elsewhere, supervisor):
    text = words(supervisor.get(INBOX))
    assert f"{CHILD} In another parent" in text
    assert (
        "Ravi scanned it into SB00001 at PACK-1, 24 Nov 2026, 10:00:00 by the device's clock"
        in text
    )
    assert f"Why it was refused {CHILD} is in SB00002." in text
    assert re.search(r"Where it is now In SB00002 since .*, packed by Ravi at PACK-2", text)
    assert "Move it to SB00001" in text
    Link.objects.all().delete()
    text = words(supervisor.get(INBOX))
    assert "Where it is now In no parent." in text
    assert "Put it into SB00001" in text


def test_where_it_is_there_by_now_nothing_can_be_moved(elsewhere, supervisor, packer):
    packer.move(label(1), "SB00001", "SB00002")
    text = words(supervisor.get(INBOX))
    assert "Where it is now In SB00001" in text
    assert "Move it" not in text
    assert "Keep as it is" in text


def test_what_is_no_code_can_not_be_moved(supervisor, dispatcher):
    opened(1, dispatcher)
    text = words(supervisor.get(INBOX))
    assert "?#! Not a code" in text
    assert "Put it" not in text


def test_a_move_in_plain_words(queue, packer, supervisor):
    for parent in ("SB00001", "SB00002"):
        packer.scan(parent)
    packer.scan(label(1), "SB00002")
    dispatch("SB00001")
    queue.send(queue.move(label(1), "SB00001", "SB00002", late=True))
    text = words(supervisor.get(INBOX))
    assert "Ravi moved it to SB00001 at PACK-1" in text
    assert "Where it is now In SB00002" in text
    assert "Move it to SB00001" in text


def test_an_undo_in_plain_words(queue, supervisor):
    queue.send(queue.scan("SB00001"))
    item = queue.scan(label(1), "SB00001")
    queue.send(item)
    dispatch("SB00001")
    queue.send(queue.undo(item, late=True))
    text = words(supervisor.get(INBOX))
    assert f"{CHILD} Parent is dispatched" in text
    assert "Ravi took it out of SB00001 at PACK-1" in text
    assert "Take it out of SB00001" in text
    recall()
    done = decide(supervisor, ScanException.objects.get(), "moved")
    assert told(supervisor, done) == f"{CHILD} is out of SB00001 now."
    assert not Link.objects.exists()
    assert "Taken out of SB00001, by Meena" in words(supervisor.get(f"{INBOX}?state=resolved"))


def test_text_from_a_scanner_is_text(supervisor, dispatcher):
    scan = bad_scan(dispatcher, Station.objects.create(name="PACK-1"), "<b onmouseover=x>")
    opened(1, dispatcher, scan=scan)
    assert "&lt;b onmouseover=x&gt;" in supervisor.get(INBOX).content.decode()


# --- What it does ---------------------------------------------------------------------------------


def test_move_here(elsewhere, supervisor):
    done = decide(supervisor, elsewhere, "moved")
    assert done["Location"] == INBOX
    assert told(supervisor, done) == f"{CHILD} is in SB00001 now."
    assert Link.objects.get().parent.qr_id == "SB00001"
    text = words(supervisor.get(f"{INBOX}?state=resolved"))
    assert "Put into SB00001, by Meena" in text
    assert "Keep as it is" not in text


def test_keep_as_it_is(elsewhere, dispatcher, sign_in):
    client = sign_in(dispatcher)  # his own scan
    assert told(client, decide(client, elsewhere, "kept")) == f"{CHILD} stays as it is."
    assert Link.objects.get().parent.qr_id == "SB00002"
    assert "Kept as it was, by Ravi" in words(client.get(f"{INBOX}?state=resolved"))


def test_dismiss_with_a_reason(elsewhere, supervisor):
    done = decide(supervisor, elsewhere, "dismissed", reason="It was torn.")
    assert told(supervisor, done) == f"{CHILD} is dismissed."
    assert re.search(
        r"Dismissed, by Meena, .*: It was torn\.", words(supervisor.get(f"{INBOX}?state=resolved"))
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"resolution": "dismissed", "reason": "  "}, "Say why, in a few words."),
        ({"resolution": "dismissed", "reason": "x" * 501}, "at most 500 characters"),
        ({"resolution": "burnt"}, "not one of the available choices"),
        ({"resolution": "kept", "item_id": "7"}, "valid UUID"),
    ],
)
def test_what_is_wrong_is_said_and_decides_nothing(elsewhere, supervisor, body, said):
    answer = decide(supervisor, elsewhere, **{"place": "1"} | body)
    assert answer["Location"] == f"{INBOX}#item-1"
    assert said in told(supervisor, answer)
    assert ScanException.objects.open().count() == 1


def test_a_refused_move_is_said_and_stays_open(elsewhere, supervisor):
    dispatch("SB00001")
    assert "has left on a bill" in told(supervisor, decide(supervisor, elsewhere, "moved"))
    assert ScanException.objects.open().count() == 1


def test_the_second_one_is_told_who_was_first(elsewhere, supervisor, admin_user, sign_in):
    decide(sign_in(admin_user), elsewhere, "kept")
    assert (
        told(supervisor, decide(supervisor, elsewhere, "moved")) == "Asha has decided this already."
    )


def test_the_page_goes_on_where_it_stood(elsewhere, supervisor):
    answer = decide(supervisor, elsewhere, "kept", "?station=PACK-1&after=1&x=//evil", place="3")
    assert answer["Location"] == f"{INBOX}?station=PACK-1&after=1#item-3"


def test_its_own_forms_work(elsewhere, biller):
    """What the page's own markup posts, without any script."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(biller, backend="accounts.roles.RoleBackend")
    page = client.get(f"{INBOX}?station=PACK-1").content.decode()
    forms = re.findall(r'<form method="post" action="(/exceptions/[^"]+)">(.*?)</form>', page, re.S)
    assert [re.findall(r'name="resolution" value="(\w+)"', inside) for _, inside in forms] == [
        ["moved", "kept"],
        ["dismissed"],
    ]
    for action, inside in forms:  # the first one decides, the second comes too late
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', inside))
        answer = client.post(unescape(action), fields | {"resolution": "kept"})
        assert answer.status_code == 302
        assert answer["Location"] == f"{INBOX}?station=PACK-1#item-1"
    assert ScanException.objects.get().resolution == "kept"


# --- Lists ----------------------------------------------------------------------------------------


def test_filters(elsewhere, supervisor, dispatcher, biller):
    two = opened(1, dispatcher, "PACK-2")[0]
    done = opened(1, dispatcher, "PACK-2")[0]
    decide(supervisor, done, "kept")
    assert listed(supervisor.get(INBOX)) == [elsewhere.pk, two.pk]
    assert listed(supervisor.get(f"{INBOX}?station=PACK-2")) == [two.pk]
    assert listed(supervisor.get(f"{INBOX}?station=PACK-2&state=resolved")) == [done.pk]
    assert listed(supervisor.get(f"{INBOX}?state=resolved&station=PACK-1")) == []
    for nonsense in ("state=x", "after=x", "after=-1", f"after={2**70}", "station=%00"):
        assert supervisor.get(f"{INBOX}?{nonsense}").status_code == 200


def test_pages_by_cursor(supervisor, dispatcher):
    made = [one.pk for one in opened(PAGE + 2, dispatcher)]
    first = supervisor.get(INBOX)
    assert listed(first) == made[:PAGE]
    more = re.search(r'href="([^"]*after=[^"]*)"', first.content.decode())[1]
    second = supervisor.get(unescape(more))
    assert listed(second) == made[PAGE:]
    assert "after=" not in second.content.decode().split('<nav class="pages"')[1]
    ScanException.objects.update(
        resolved_at=timezone.now(), resolved_by=dispatcher, resolution="kept"
    )
    newest = supervisor.get(f"{INBOX}?state=resolved")
    assert listed(newest) == made[::-1][:PAGE]
    more = unescape(re.search(r'href="([^"]*after=[^"]*)"', newest.content.decode())[1])
    assert listed(supervisor.get(more)) == made[::-1][PAGE:]


@pytest.mark.parametrize("state", ["open", "resolved"])
def test_five_queries_whatever_the_length(state, supervisor, dispatcher):
    """Session, user, exceptions with their holders, how many are open, stations."""

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert supervisor.get(f"{INBOX}?state={state}").status_code == 200
        return len(queries)

    for number in (1, 20):
        for one in opened(number, dispatcher, f"PACK-{number}"):
            if state == "resolved":
                decide(supervisor, one, "kept")
        assert cost() == 5


# --- The header -----------------------------------------------------------------------------------


def count_in_header(client, path="/lookup/") -> str:
    page = client.get(path).content.decode()
    link = re.search(r'<a href="/exceptions/".*?</a>', page, re.S)[0]
    return " ".join(re.sub(r"<[^>]*>", " ", link).split())


def test_the_header_counts_what_one_may_see(elsewhere, dispatcher, biller, other, sign_in):
    opened(1, biller)
    assert count_in_header(sign_in(dispatcher)) == "Exceptions 1 open"
    assert count_in_header(sign_in(biller)) == "Exceptions 2 open"
    assert count_in_header(other) == "Exceptions"


def test_the_header_never_counts_far(supervisor, dispatcher):
    opened(101, dispatcher)
    assert count_in_header(supervisor) == "Exceptions 99+ open"
    assert count_in_header(supervisor, "/stations/") == "Exceptions 99+ open"


def test_the_header_costs_one_indexed_query(supervisor, django_assert_num_queries):
    with CaptureQueriesContext(connection) as queries:
        supervisor.get("/lookup/")
    counts = [one["sql"] for one in queries if "scanexception" in one["sql"]]
    assert len(queries) == 3
    assert len(counts) == 1
    assert "LIMIT 100" in counts[0]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {counts[0]}")
        assert "scanning_exception_open" in "".join(row[0] for row in cursor.fetchall())
