"""Back office: the history, to look at."""

import json
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit import sql
from audit.models import Entry
from tracetrack.admin import ReadOnlyAdmin


class ActionFilter(admin.SimpleListFilter):
    """One of the actions that occur."""

    title = parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute(sql.ACTIONS)
            return [(action, action) for (action,) in cursor.fetchall()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Newest first. The search takes a whole label, id or request id, and finds by an index."""

    list_display = ["at", "who", "action", "target", "channel"]
    list_display_links = ["at", "action"]
    list_filter = [ActionFilter, "channel"]
    search_fields = ["target_label", "target_id", "request_id"]
    search_help_text = "The whole label or id of a thing, or a request id."
    fields = [
        "at",
        "action",
        "who",
        "actor_role",
        "target",
        "changes",
        "reason",
        "channel",
        "ip",
        "request_id",
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(target_label=term) | Q(target_id=term) | Q(request_id=term)), False

    @admin.display(description="by", ordering="actor_name")
    def who(self, entry: Entry) -> str:
        return entry.actor_name or "-"

    @admin.display(description="what")
    def target(self, entry: Entry) -> str:
        if not entry.target_type:
            return "-"
        return f"{entry.target_type} {entry.target_id}: {entry.target_label}"

    @admin.display(description="before and after")
    def changes(self, entry: Entry) -> str | SafeString:
        """Each changed field with both of its values, as text."""
        before, after = entry.before or {}, entry.after or {}
        names = list(dict.fromkeys([*before, *after]))
        if not names:
            return "-"
        rows = format_html_join(
            "",
            "<tr><th scope=row>{}</th><td>{}</td><td>{}</td></tr>",
            ((name, _text(before, name), _text(after, name)) for name in names),
        )
        return format_html(
            "<table><thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>"
            "<tbody>{}</tbody></table>",
            rows,
        )


def _text(values: dict[str, Any], name: str) -> str:
    """A value as people read it; nothing where there was none."""
    value = values.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
