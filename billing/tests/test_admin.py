"""The biller's desk: bills and return tickets in the back office."""

import pytest

PAGES = [
    *("bill", "returnticket", "billline", "billscan", "returnline"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_billers_look_and_dispatchers_do_not(page, biller, dispatcher, sign_in):
    url = f"/admin/billing/{page}/"
    assert sign_in(biller).get(url).status_code == 200
    assert sign_in(dispatcher).get(url).status_code == 302
