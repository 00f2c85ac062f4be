"""Look-up: from any code, label or part of one to the bag."""

from django.contrib.auth.decorators import permission_required
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from bags import codes
from bags.models import Bag

HITS = 50
CHILDREN = 500  # on the page; a parent may hold more


@permission_required("bags.view_bag", raise_exception=True)
def lookup(request: HttpRequest) -> HttpResponse:
    """One search field. A single hit leads straight to its page."""
    text = request.GET.get("q", "").strip()
    found = Bag.objects.search(text, HITS + 1) if text else []
    if len(found) == 1:
        return redirect("bag", found[0].qr_id)
    prefetch_related_objects(found, "link__parent")
    context = {"text": text, "found": found[:HITS], "more": len(found) > HITS, "hits": HITS}
    return render(request, "bags/lookup.html", context)


@permission_required("bags.view_bag", raise_exception=True)
def bag(request: HttpRequest, qr_id: str) -> HttpResponse:
    """One bag: where it is or what it holds, what its label says, and its scans."""
    found = get_object_or_404(Bag.objects.select_related("product"), qr_id=codes.normalise(qr_id))
    links = found.links_to_children.select_related("child", "linked_by").order_by("-id")
    context = {
        "bag": found,
        "link": found.link_to_parent if found.type == Bag.Type.CHILD else None,
        "weight": found.child_count * (found.kg_per_child or 0),
        "links": links[:CHILDREN] if found.type == Bag.Type.PARENT else [],
    }
    return render(request, "bags/bag.html", context)
