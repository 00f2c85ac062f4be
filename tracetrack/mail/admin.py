"""Back office: e-mails and jobs, to look at; mails that were not sent can be sent again."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from procrastinate.contrib.django.models import ProcrastinateJob

from tracetrack.admin import ReadOnlyAdmin
from tracetrack.mail.models import Job, Mail
from tracetrack.mail.services import see_to, send_again

admin.site.unregister(ProcrastinateJob)  # its own list counts every job and can cancel them


class UndeliveredFilter(admin.SimpleListFilter):
    """What was given up, until somebody has seen to it."""

    title, parameter_name = _("delivery"), "undelivered"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple]:
        return [("open", _("Given up, not seen to")), ("seen", _("Given up, seen to"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "open":
            return queryset.undelivered()
        if self.value() == "seen":
            return queryset.filter(state=Mail.State.DEAD, seen_at__isnull=False)
        return queryset


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Newest first."""

    list_display = ["created_at", "to", "__str__", "state", "attempts"]
    list_display_links = ["created_at", "__str__"]
    list_filter = ["state", UndeliveredFilter]
    fields = [
        *("to", "user", "language", "state", "subject", "text"),
        *("created_at", "sent_at", "attempts", "last_error", "seen_at", "seen_by"),
        *("name", "message_id", "provider_id"),
    ]
    actions = ["again", "seen_to"]

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mail.resend_mail")

    @admin.action(description=_("Send the chosen e-mails again"), permissions=["resend"])
    def again(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Those that were kept or given up; the others have been sent or will be."""
        count = send_again(mails=queryset.values_list("pk", flat=True))
        told = ngettext("%(count)d e-mail will be sent.", "%(count)d e-mails will be sent.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, told % {"count": count}, level)

    @admin.action(description=_("Seen to: warn of the chosen no more"), permissions=["resend"])
    def seen_to(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Those that were given up; each bears who said so."""
        keys = queryset.values_list("pk", flat=True)
        count = see_to(mails=keys, user=request.user)
        told = ngettext("%(count)d e-mail is seen to.", "%(count)d e-mails are seen to.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, told % {"count": count}, level)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """What the worker has to do, and what it could not do."""

    list_display = ["id", "task_name", "args", "status", "scheduled_at", "attempts"]
    list_filter = ["status", "queue_name"]
    fields = ["task_name", "queue_name", "args", "status", "scheduled_at", "attempts"]
