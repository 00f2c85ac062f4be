"""Setting up a scanner: a code to test it with, and the sheet of commands for the wall."""

import io

import segno
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control, never_cache

from bags.codes import COMMANDS

# All characters of labels and codes. The comma keeps it from ever being a bag.
TEST = "TRKTEST ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 ._/:-(),"

MEANINGS = {
    "finish": (_("Finish"), _("Ends the open parent though it is not full. Scan it twice.")),
    "undo": (_("Undo"), _("Takes back the newest link of this station.")),
    "echo": (_("Repeat"), _("Shows the last answer again, with its tone.")),
    "help": (_("Help"), _("Shows what to do next.")),
    "ok": (_("Yes"), _("Says yes to the question on the page.")),
}

may_scan = permission_required("scanning.add_scan", raise_exception=True)


@never_cache
@may_scan
def setup(request: HttpRequest) -> HttpResponse:
    """Test this station's scanner, and keep what was measured."""
    return render(request, "scanning/setup.html", {"test": TEST})


@never_cache
@may_scan
def commands(request: HttpRequest) -> HttpResponse:
    """The commands as QR codes, on one sheet of A4."""
    sheet = [
        {"text": text, "command": command, "name": name, "does": does}
        for text, command in COMMANDS.items()
        for name, does in [MEANINGS[command]]
    ]
    return render(request, "scanning/commands.html", {"sheet": sheet})


@cache_control(private=True, max_age=24 * 60 * 60)  # seconds
@may_scan
def code_image(request: HttpRequest, name: str) -> HttpResponse:
    """One of these codes as an SVG; black on white in every theme."""
    texts = {"test": TEST} | {command: text for text, command in COMMANDS.items()}
    if name not in texts:
        raise Http404
    image = io.BytesIO()
    code = segno.make_qr(texts[name], error="m")
    code.save(image, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False)
    return HttpResponse(image.getvalue(), content_type="image/svg+xml")
