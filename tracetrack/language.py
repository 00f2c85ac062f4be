"""The scripts' words in the page's language. The pages' own words are Django's business."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.views.i18n import JavaScriptCatalog

# An app's own folder is empty: what counts is LOCALE_PATHS. Without a name here, Django would add
# the words of its back office.
_catalogue = JavaScriptCatalog.as_view(packages=["scanning"])
FOR_EVER = "public, max-age=31536000, immutable"


@login_not_required
def catalogue(request: HttpRequest, code: str, version: str) -> HttpResponse:
    """The words for scripts. The address names language and version, so browsers may keep it."""
    if code not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(code):
        response = _catalogue(request)
    # A page from before a deploy gets what there is now, but nobody keeps it under the old name.
    response["Cache-Control"] = FOR_EVER if version == _version(code) else "no-store"
    return response


def for_templates(request: HttpRequest) -> dict[str, Callable[[], str]]:
    """A context processor. English needs no catalogue: its words stand in the scripts."""
    return {"catalogue": _address}


def _address() -> str:
    code = translation.get_language()
    if code == settings.LANGUAGE_CODE:
        return ""
    return reverse("catalogue", args=[code, _version(code)])


@cache
def _version(code: str) -> str:
    """A hash of the catalogue's file, which is read once in a process."""
    files = [path / code / "LC_MESSAGES" / "djangojs.mo" for path in settings.LOCALE_PATHS]
    return sha256(b"".join(file.read_bytes() for file in files if file.exists())).hexdigest()[:12]
