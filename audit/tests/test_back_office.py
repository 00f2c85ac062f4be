"""The history in the back office: to read, to search, and nothing else."""

import pytest
from django.db import connection
from django.urls import reverse

from audit.models import Entry
from audit.record import record

LIST = reverse("admin:audit_entry_changelist")
MANY = """
INSERT INTO audit_entry (action, actor_name, actor_role, target_type, target_id, target_label,
    request_id, channel, reason)
SELECT 'bag.a' || n % 20, '', '', 'bags.bag', n::text, 'SB' || n, 'r' || n, 'web', ''
FROM generate_series(1, 20000) n
"""


@pytest.fixture
def client(admin_user, sign_in):
    return sign_in(admin_user)


def rows(page) -> str:
    return page.text.partition('id="result_list"')[2].partition("</table>")[0]


@pytest.mark.parametrize("who", ["biller", "dispatcher"])
def test_history_is_for_admins_only(request, sign_in, who):
    assert sign_in(request.getfixturevalue(who)).get(LIST, follow=True).status_code == 403


def test_newest_first_and_found_by_whole_label_id_or_request(client, biller):
    entry = record("user.praised", biller)
    record("user.scolded")
    assert rows(client.get(LIST)).index("scolded") < rows(client.get(LIST)).index("praised")
    for term in ("Meena", entry.target_id, f" {entry.target_label} "):
        found = rows(client.get(LIST, {"q": term}))
        assert "user.praised" in found
        assert "user.scolded" not in found
    request_id = client.get("/login/")["X-Request-ID"]
    assert "user." not in rows(client.get(LIST, {"q": request_id}))
    assert "user.praised" not in rows(client.get(LIST, {"q": "Meen"}))


def test_filters_by_action_and_channel(client):
    record("user.praised")
    assert "user.praised" not in rows(client.get(LIST, {"action": "user.signed_in"}))
    assert "user.praised" in rows(client.get(LIST, {"action": "user.praised"}))
    assert "user.praised" in rows(client.get(LIST, {"channel__exact": "command"}))
    assert "user.praised" not in rows(client.get(LIST, {"channel__exact": "api"}))


def test_before_and_after_stand_side_by_side_as_text(client):
    entry = record(
        "bag.updated", before={"lot": "<b>old</b>", "n": 1}, after={"lot": "new", "n": 2}
    )
    text = client.get(reverse("admin:audit_entry_change", args=[entry.pk])).text
    assert "<td>&lt;b&gt;old&lt;/b&gt;</td><td>new</td>" in text
    assert "<td>1</td><td>2</td>" in text
    assert "style=" not in text.partition("Before")[2].partition("</table>")[0]


def test_nothing_can_be_added_changed_or_removed(client):
    entry = record("user.praised")
    change = reverse("admin:audit_entry_change", args=[entry.pk])
    delete = reverse("admin:audit_entry_delete", args=[entry.pk])
    count = Entry.objects.count()
    assert client.get(reverse("admin:audit_entry_add")).status_code == 403
    for address in (change, delete):
        assert client.post(address, {"action": "x", "post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [entry.pk], "post": "y"})
    assert Entry.objects.count() == count


def test_the_list_is_never_counted_to_its_end(client, django_assert_max_num_queries):
    with django_assert_max_num_queries(6) as queries:
        client.get(LIST)
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert all("LIMIT" in sql for sql in counts)


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        ({"q": "SB777"}, ["entry_by_label", "entry_by_target", "entry_by_request"]),
        ({"action": "bag.a7"}, ["entry_by_action"]),
        ({}, ["audit_entry_pkey"]),
    ],
)
def test_every_search_is_read_from_an_index(client, query, indexes, django_assert_max_num_queries):
    with connection.cursor() as cursor:
        cursor.execute(MANY)
        cursor.execute("ANALYZE audit_entry")
        with django_assert_max_num_queries(6) as queries:
            client.get(LIST, query)
        cursor.execute("EXPLAIN " + queries[-1]["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
    assert all(name in plan for name in indexes), plan


def test_the_filter_offers_each_action_once(client, django_assert_max_num_queries):
    for action in ("user.praised", "user.scolded", "user.praised", "bag.painted"):
        record(action)
    page = client.get(LIST).text
    for action in ("user.praised", "user.scolded", "bag.painted"):
        assert page.count(f'"?action={action}"') == 1
