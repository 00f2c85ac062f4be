"""Forms of the biller's desk."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Entry
from billing.models import Bill, ReturnTicket
from billing.services import HEADER
from tracetrack.errors import Refusal

# What a rule refused -> the field that it is about. All others are about the whole form.
FIELDS = {
    "number_taken": "number",
    "bad_number": "number",
    "bad_capacity": "capacity",
    "below_loaded": "capacity",
    "reason_needed": "reason",
}


class RefusedForm(forms.ModelForm):
    """A form that comes back with what a rule said when it was saved: `refusal`."""

    refusal: Refusal | None = None

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if any(field.errors for field in self.hidden_fields()):
            self.add_error(None, _("The form did not come whole. Please open it again."))
        if self.refusal:
            self.add_error(FIELDS.get(self.refusal.code), self.refusal.message)
        return values


class NewBillForm(RefusedForm):
    """A bill to be. The same page sent twice makes one bill."""

    number = forms.CharField(
        label=gettext_lazy("Number"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("Scan it or type it. Left empty, the system gives one."),
    )
    creation = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = Bill
        fields = HEADER


class BillForm(RefusedForm):
    """The header of an open bill, as the one who edits has seen it.

    Each field bears what was seen. Where somebody else saved meanwhile, what only they changed is
    taken over, what both changed is kept as typed with theirs beside it, and saving again is on
    purpose.
    """

    seen = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Bill
        fields = HEADER

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen"].initial = self.instance.version
        for name in HEADER:
            if name in self.fields:
                self.fields[name].show_hidden_initial = True
        self.theirs: list[dict[str, str]] = []
        if self.refusal and self.refusal.code == "edited_meanwhile":
            self._take_over(self.refusal.detail["bill"])

    def _take_over(self, now: dict[str, Any]) -> None:
        mine = {name for name in self.changed_data if name in HEADER}
        data = self.data.copy()
        data["seen"] = now["version"]
        for name in HEADER:
            old, new = data.get(f"initial-{name}", ""), str(now[name])
            if old != new:
                typed = data.get(name, "") if name in mine else None
                label = self.fields[name].label
                self.theirs.append({"label": label, "old": old, "new": new, "typed": typed})
            data[f"initial-{name}"] = new
            if name not in mine:
                data[name] = new
        self.data = data
        del self.changed_data  # it is worked out anew, from what is there now

    @property
    def other(self) -> Entry | None:
        """Who saved meanwhile, and when."""
        edits = Entry.objects.filter(target_type="billing.bill", target_id=str(self.instance.pk))
        return edits.filter(action="bill.updated").order_by("-id").first()


class TicketForm(RefusedForm):
    """A return ticket to be."""

    creation = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    class Meta:
        model = ReturnTicket
        fields = ("reason",)


class ReasonForm(forms.Form):
    """Why something is undone."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=255)
