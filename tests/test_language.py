"""Which language an answer is in, and how the scripts get theirs."""

import json

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from tracetrack import language

pytestmark = pytest.mark.django_db


def catalogue_of(code: str) -> str:
    with translation.override(code):
        return language.for_templates(None)["catalogue"]()


def test_a_page_is_in_english_unless_somebody_wants_another_language(client: Client):
    assert '<html lang="en">' in client.get("/login/").content.decode()
    hindi = client.get("/login/", headers={"accept-language": "hi-IN,hi;q=0.9,en;q=0.8"})
    assert '<html lang="hi">' in hindi.content.decode()
    other = client.get("/login/", headers={"accept-language": "ta"})
    assert '<html lang="en">' in other.content.decode()


def test_the_switch_works_before_signing_in_and_is_kept_for_a_year(client: Client):
    came_from = {"referer": "http://testserver/login/"}
    answer = client.post("/language/", {"language": "hi"}, headers=came_from)
    assert (answer.status_code, answer["Location"]) == (302, came_from["referer"])
    cookie = answer.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert cookie["max-age"] == 365 * 24 * 60 * 60
    assert cookie["samesite"] == "Lax"
    english = {"accept-language": "en"}
    assert '<html lang="hi">' in client.get("/login/", headers=english).content.decode()
    client.post("/language/", {"language": "en"})
    assert '<html lang="en">' in client.get("/login/", headers=english).content.decode()


def test_the_switch_takes_no_get_no_stranger_and_no_unknown_language(client: Client):
    client.get("/language/?language=hi")
    client.post("/language/", {"language": "xx"})
    assert settings.LANGUAGE_COOKIE_NAME not in client.cookies
    answer = client.post("/language/", {"language": "hi", "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    guarded = Client(enforce_csrf_checks=True)
    assert guarded.post("/language/", {"language": "hi"}).status_code == 403


def test_the_back_office_speaks_hindi_too(sign_in, admin_user):
    answer = sign_in(admin_user).get("/admin/", headers={"accept-language": "hi"})
    assert answer.status_code == 200
    assert '<html lang="hi"' in answer.text
    assert "बैक ऑफ़िस" in answer.text


def test_what_is_one_word_in_english_can_be_two_in_hindi(sign_in, admin_user):
    """A parent is feminine, a bill masculine. A plural has no s behind it."""
    door, hindi = sign_in(admin_user), {"accept-language": "hi"}
    bags = door.get("/admin/bags/bag/", headers=hindi).text
    bills = door.get("/admin/billing/bill/", headers=hindi).text
    assert ">पूरी</a>" in bags
    assert ">पूरा</a>" in bills
    front = door.get("/admin/", headers=hindi).text
    assert "रुके स्कैन" in front
    assert "रुका स्कैनs" not in front


def test_refusals_are_worded_in_the_language_of_the_request(sign_in, dispatcher):
    """`code` is for programs and never is."""
    for code, text in [("en", "There is nothing"), ("hi", "इस पते पर")]:
        answer = sign_in(dispatcher).get("/api/nothing", headers={"accept-language": code})
        assert text in answer.json()["detail"]
        assert answer.json()["code"] == "not_found"


def test_scripts_get_their_words_without_sign_in_and_may_keep_them(client: Client):
    answer = client.get(catalogue_of("hi"))
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"


def test_the_address_alone_says_which_words_these_are(client: Client):
    """A cache keeps them for everybody: neither cookie nor header may change them."""
    address = catalogue_of("hi")
    plain = client.get(address).text
    assert json.dumps("नई बोरी") in plain
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "hi"
    assert client.get(address, headers={"accept-language": "hi"}).text == plain


def test_an_old_address_is_not_kept(client: Client):
    answer = client.get(reverse("catalogue", args=["hi", "0" * 12]))
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert client.get(reverse("catalogue", args=["xx", "0" * 12])).status_code == 404


def test_a_page_names_the_catalogue_of_its_language(client: Client):
    assert "jsi18n" not in client.get("/login/").content.decode()
    hindi = client.get("/login/", headers={"accept-language": "hi"}).content.decode()
    assert f'<script src="{catalogue_of("hi")}" defer></script>' in hindi
