"""What leaves: bills, the parents on them, what was scanned onto them, and what came back.

Weights are never stored: `with_totals` derives them. The rules stand in the database: constraints
here, triggers in `migrations/0002_rules.py`.
"""

from decimal import Decimal

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Case, Count, DecimalField, F, Max, Q, Sum, Value, When
from django.db.models.functions import Coalesce, Now, Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from bags import codes
from bags.models import Bag, Link

MOST_PARENTS = 500  # on one bill
KG = DecimalField(max_digits=14, decimal_places=3)

# Of a line: what its parent holds; of a returned one: what it held when it came back.
CHILDREN = Coalesce("lines__returned_children", "lines__parent__child_count")
CAPACITY = Coalesce("lines__returned_capacity", "lines__parent__capacity")
KG_PER_CHILD = Coalesce("lines__returned_kg_per_child", "lines__parent__kg_per_child")


def _sum(expression: models.Expression, **more: Q) -> Coalesce:
    return Coalesce(Sum(expression, output_field=KG, **more), Decimal(0), output_field=KG)


class BillQuerySet(models.QuerySet):
    def with_totals(self) -> "BillQuerySet":
        """Each bill with `children`, `actual_kg`, `expected_kg`, `variance_kg`, `returned`.

        One query for a list of any length. Kilograms are decimals: actual is children times kg per
        child, expected is capacity times kg per child over the parents on the bill, and variance
        is actual minus expected. `returned` is how many of the parents came back; they count.
        """
        return self.annotate(
            children=Coalesce(Sum(CHILDREN), 0),
            actual_kg=_sum(CHILDREN * KG_PER_CHILD),
            expected_kg=_sum(CAPACITY * KG_PER_CHILD),
            variance_kg=_sum((CHILDREN - CAPACITY) * KG_PER_CHILD),
            returned=Count("lines__returned_at"),
            newest_line=Max("lines__id"),
        )

    def open(self) -> "BillQuerySet":
        """Those that can still be loaded."""
        return self.filter(completed_at=None)

    def completed(self) -> "BillQuerySet":
        return self.filter(completed_at__isnull=False)

    def of_bag(self, raw: str) -> "BillQuerySet":
        """The bills that the bag of this code is on or was on; `raw` is as read or typed.

        A child is where its parent is; one that came back is also where it was then.
        """
        bags = list(Bag.objects.of_code(raw).values_list("pk", flat=True)[:50])
        holders = Link.objects.filter(child__in=bags).values("parent")
        lines = BillLine.objects.filter(
            Q(parent__in=bags) | Q(parent__in=holders, returned_at=None)
        ).values("bill")
        returned = ReturnedChild.objects.filter(
            child__in=bags, return_line__taken_back_at=None
        ).values("return_line__bill")
        return self.filter(Q(pk__in=lines) | Q(pk__in=returned))


class Bill(models.Model):
    """One dispatch: several parents on one vehicle to one customer."""

    class Status(models.TextChoices):
        NEW = "new", _("New")
        PROCESSING = "processing", _("Processing")
        COMPLETED = "completed", pgettext_lazy("bill", "Completed")

    number = models.CharField(_("number"), max_length=64, db_collation="C")
    description = models.CharField(_("description"), max_length=255, blank=True, default="")
    customer = models.CharField(_("customer"), max_length=255, blank=True, default="")
    destination = models.CharField(_("destination"), max_length=255, blank=True, default="")
    vehicle = models.CharField(_("vehicle"), max_length=64, blank=True, default="")
    capacity = models.PositiveIntegerField(
        _("capacity"), help_text=_("How many parents are to go on it: 1 to 500.")
    )
    # Kept by triggers on BillLine; the CHECK below then holds the capacity.
    line_count = models.PositiveIntegerField(_("parents"), db_default=0, editable=False)
    # Counts edits of the fields above: two people who edit at once are told.
    version = models.PositiveIntegerField(db_default=1, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("created by"),
    )
    creation_id = models.UUIDField(
        null=True, editable=False, help_text=_("Made by the page: sent twice, it makes one bill.")
    )
    completed_at = models.DateTimeField(_("completed at"), null=True, editable=False)
    completed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("completed by"),
    )
    # The last time that it was opened again, and why. The audit log has them all.
    reopened_at = models.DateTimeField(_("reopened at"), null=True, editable=False)
    reopened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("reopened by"),
    )
    reopen_reason = models.CharField(
        _("why reopened"), max_length=255, db_default="", default="", editable=False
    )
    status = models.GeneratedField(
        expression=Case(
            When(completed_at__isnull=False, then=Value("completed")),
            When(line_count=0, then=Value("new")),
            default=Value("processing"),
        ),
        output_field=models.CharField(max_length=10, choices=Status),
        db_persist=True,
        verbose_name=_("status"),
    )

    objects = BillQuerySet.as_manager()

    class Meta:
        verbose_name = _("bill")
        verbose_name_plural = _("bills")
        ordering = ["-id"]
        constraints = [
            # Reader: a bill by its number, scanned or typed.
            models.UniqueConstraint(
                fields=["number"],
                name="billing_bill_number_unique",
                violation_error_message=_("There is a bill with this number already."),
            ),
            models.CheckConstraint(
                condition=Q(number=Upper("number"))
                & Q(number__regex=r"^[A-Z0-9][A-Z0-9 ._/:()-]{0,63}$"),
                name="billing_bill_number_form",
                violation_error_message=_("1 to 64 letters, digits, spaces or . _ / : ( ) -."),
            ),
            models.CheckConstraint(
                condition=Q(capacity__range=(1, MOST_PARENTS)),
                name="billing_bill_capacity_range",
                violation_error_message=_("The capacity is 1 to 500 parents."),
            ),
            models.CheckConstraint(
                condition=Q(line_count__range=(0, F("capacity"))),
                name="billing_bill_within_capacity",
                violation_error_message=_("There are more parents on it than that."),
            ),
            models.CheckConstraint(
                condition=Q(completed_at=None, completed_by=None)
                | Q(completed_at__isnull=False, completed_by__isnull=False, line_count__gte=1),
                name="billing_bill_completed",
                violation_error_message=_("An empty bill can't be completed."),
            ),
            # Reader: the page that sends its new bill again.
            models.UniqueConstraint(fields=["creation_id"], name="billing_bill_creation_unique"),
        ]
        indexes = [
            # Reader: the list by status, newest first.
            models.Index(fields=["status", "-id"], name="billing_bill_status"),
            # Reader: the overview's days.
            models.Index(Coalesce("completed_at", "created_at"), name="billing_bill_day"),
            # Reader: search by a part of number, customer or vehicle.
            GinIndex(
                OpClass(Upper("number"), "gin_trgm_ops"),
                OpClass(Upper("customer"), "gin_trgm_ops"),
                OpClass(Upper("vehicle"), "gin_trgm_ops"),
                name="billing_bill_part",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def clean(self) -> None:
        """A number is read like a code: whatever its case and spaces."""
        self.number = codes.normalise(self.number)


class BillLineQuerySet(models.QuerySet):
    def on_bill(self) -> "BillLineQuerySet":
        """Those that did not come back."""
        return self.filter(returned_at=None)

    def with_contents(self) -> "BillLineQuerySet":
        """Each line with its parent and `children`, `capacity`, `kg`, `expected_kg`."""
        prefix = {"children": "child_count", "capacity": "capacity", "per": "kg_per_child"}
        held = {name: F(f"parent__{column}") for name, column in prefix.items()}
        children = Coalesce("returned_children", held["children"])
        capacity = Coalesce("returned_capacity", held["capacity"])
        per_child = Coalesce("returned_kg_per_child", held["per"])
        return self.select_related("parent", "parent__product", "loaded_by").annotate(
            children=children,
            capacity=capacity,
            kg=models.ExpressionWrapper(children * per_child, output_field=KG),
            expected_kg=models.ExpressionWrapper(capacity * per_child, output_field=KG),
        )


class BillLine(models.Model):
    """A parent on a bill. Lines are made and removed, never changed; one that came back stays."""

    bill = models.ForeignKey(
        Bill, models.PROTECT, related_name="lines", db_index=False, verbose_name=_("bill")
    )
    parent = models.ForeignKey(
        Bag, models.PROTECT, related_name="bill_lines", db_index=False, verbose_name=_("parent")
    )
    loaded_at = models.DateTimeField(_("loaded at"), db_default=Now(), editable=False)
    loaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("loaded by"),
    )
    # Since when it is back, and what it held then. Kept by triggers on ReturnLine.
    returned_at = models.DateTimeField(_("returned at"), null=True, editable=False)
    returned_children = models.PositiveIntegerField(null=True, editable=False)
    returned_capacity = models.PositiveIntegerField(null=True, editable=False)
    returned_kg_per_child = models.DecimalField(
        max_digits=8, decimal_places=3, null=True, editable=False
    )

    objects = BillLineQuerySet.as_manager()

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        constraints = [
            # A parent is on one bill at a time. Reader: which bill is this parent on.
            models.UniqueConstraint(
                fields=["parent"],
                condition=Q(returned_at=None),
                name="billing_line_parent_unique",
            ),
            models.CheckConstraint(
                condition=Q(
                    returned_at=None,
                    returned_children=None,
                    returned_capacity=None,
                    returned_kg_per_child=None,
                )
                | Q(
                    returned_at__isnull=False,
                    returned_children__isnull=False,
                    returned_capacity__isnull=False,
                    returned_kg_per_child__isnull=False,
                ),
                name="billing_line_returned",
            ),
        ]
        indexes = [
            # Reader: a bill's lines in the order of loading, and its totals.
            models.Index(fields=["bill", "id"], name="billing_line_bill"),
            # Reader: the bills that a parent was on before.
            models.Index(
                fields=["parent", "id"],
                name="billing_line_returned_parent",
                condition=Q(returned_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.parent} on {self.bill}"


class ReturnTicketQuerySet(models.QuerySet):
    def with_totals(self) -> "ReturnTicketQuerySet":
        """Each ticket with `parents`, `children`, `kg`: what it brought back and still stands."""
        stands = Q(lines__taken_back_at=None)
        kg = F("lines__line__returned_children") * F("lines__line__returned_kg_per_child")
        return self.annotate(
            parents=Count("lines", filter=stands),
            children=Coalesce(Sum("lines__line__returned_children", filter=stands), 0),
            kg=_sum(kg, filter=stands),
        )


class ReturnTicket(models.Model):
    """Parents that came back from completed bills: what was dispatched stays on its bill."""

    class Status(models.TextChoices):
        OPEN = "open", pgettext_lazy("ticket", "Open")
        CLOSED = "closed", _("Closed")
        CANCELLED = "cancelled", _("Cancelled")

    number = models.CharField(_("number"), max_length=64, db_collation="C", editable=False)
    reason = models.CharField(
        _("reason"), max_length=255, help_text=_("Why the parents come back.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        editable=False,
        verbose_name=_("created by"),
    )
    creation_id = models.UUIDField(null=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, editable=False)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("closed by"),
    )
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, editable=False)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("cancelled by"),
    )
    cancel_reason = models.CharField(
        _("why cancelled"), max_length=255, db_default="", default="", editable=False
    )
    status = models.GeneratedField(
        expression=Case(
            When(cancelled_at__isnull=False, then=Value("cancelled")),
            When(closed_at__isnull=False, then=Value("closed")),
            default=Value("open"),
        ),
        output_field=models.CharField(max_length=9, choices=Status),
        db_persist=True,
        verbose_name=_("status"),
    )

    objects = ReturnTicketQuerySet.as_manager()

    class Meta:
        verbose_name = _("return ticket")
        verbose_name_plural = _("return tickets")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["number"], name="billing_ticket_number_unique"),
            models.UniqueConstraint(fields=["creation_id"], name="billing_ticket_creation_unique"),
            models.CheckConstraint(
                condition=~Q(reason=""),
                name="billing_ticket_reason",
                violation_error_message=_("Say why the parents come back."),
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None)
                | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="billing_ticket_closed",
            ),
            models.CheckConstraint(
                condition=Q(cancelled_at=None, cancelled_by=None, cancel_reason="")
                | Q(cancelled_at__isnull=False, cancelled_by__isnull=False) & ~Q(cancel_reason=""),
                name="billing_ticket_cancelled",
            ),
        ]

    def __str__(self) -> str:
        return self.number


class ReturnLine(models.Model):
    """A parent that came back from a completed bill, or was taken for one that did."""

    ticket = models.ForeignKey(
        ReturnTicket, models.PROTECT, related_name="lines", db_index=False, verbose_name=_("ticket")
    )
    bill = models.ForeignKey(
        Bill, models.PROTECT, related_name="returns", db_index=False, verbose_name=_("bill")
    )
    parent = models.ForeignKey(
        Bag, models.PROTECT, related_name="+", db_index=False, verbose_name=_("parent")
    )
    # It is there as long as the return stands. One that was taken back leaves it free to go.
    line = models.ForeignKey(
        BillLine, models.DO_NOTHING, related_name="returns", db_index=False, db_constraint=False
    )
    returned_at = models.DateTimeField(_("returned at"), db_default=Now(), editable=False)
    returned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("returned by"),
    )
    # It was put back on its bill: a mistake, or the ticket was cancelled.
    taken_back_at = models.DateTimeField(_("taken back at"), null=True, editable=False)
    taken_back_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        editable=False,
        verbose_name=_("taken back by"),
    )

    class Meta:
        verbose_name = _("parent that came back")
        verbose_name_plural = _("parents that came back")
        constraints = [
            # A line comes back once. Reader: the return of a line.
            models.UniqueConstraint(
                fields=["line"],
                condition=Q(taken_back_at=None),
                name="billing_return_line_unique",
            ),
            models.CheckConstraint(
                condition=Q(taken_back_at=None, taken_back_by=None)
                | Q(taken_back_at__isnull=False, taken_back_by__isnull=False),
                name="billing_return_taken_back",
            ),
        ]
        indexes = [
            # Readers: a ticket's lines; a bill's returns.
            models.Index(fields=["ticket", "id"], name="billing_return_ticket"),
            models.Index(fields=["bill", "id"], name="billing_return_bill"),
            # Reader: returns by day.
            models.Index(fields=["returned_at"], name="billing_return_day"),
        ]

    def __str__(self) -> str:
        return f"{self.parent} came back from {self.bill}"


class ReturnedChild(models.Model):
    """A child that was in a parent when it came back: what was dispatched stays provable."""

    return_line = models.ForeignKey(
        ReturnLine, models.PROTECT, related_name="children", db_index=False
    )
    child = models.ForeignKey(Bag, models.PROTECT, related_name="+", db_index=False)
    linked_at = models.DateTimeField()
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            # Reader: what came back with a line.
            models.UniqueConstraint(
                fields=["return_line", "child"], name="billing_returned_child_unique"
            ),
        ]
        indexes = [
            # Reader: the bills that a child was on before.
            models.Index(fields=["child"], name="billing_returned_child"),
        ]

    def __str__(self) -> str:
        return f"{self.child} in {self.return_line}"


class BillScan(models.Model):
    """One trigger pull, or press, on the page of a bill or a ticket, and what came of it.

    Refused ones too. The counts are those of its own moment.
    """

    class Deed(models.TextChoices):
        LOAD = "load", _("Load")
        UNLOAD = "unload", _("Unload")
        RETURN = "return", _("Return")
        TAKE_BACK = "take_back", _("Take back")

    class Outcome(models.TextChoices):
        LOADED = "loaded", _("Loaded")
        UNLOADED = "unloaded", _("Unloaded")
        RETURNED = "returned", _("Returned")
        TAKEN_BACK = "taken_back", _("Taken back")
        ALREADY_ON_BILL = "already_on_bill", _("Already on this bill")
        ON_OTHER_BILL = "on_other_bill", _("On another bill")
        BILL_FULL = "bill_full", _("Bill is full")
        BILL_COMPLETED = "bill_completed", _("Bill is completed")
        EMPTY_PARENT = "empty_parent", _("Parent is empty")
        NOT_ON_BILL = "not_on_bill", _("Not on this bill")
        ALREADY_RETURNED = "already_returned", _("Already on this ticket")
        NOT_DISPATCHED = "not_dispatched", _("Not on a completed bill")
        NOT_RETURNED = "not_returned", _("Not on this ticket")
        BAG_CHANGED = "bag_changed", _("Parent has changed since")
        TICKET_CLOSED = "ticket_closed", _("Ticket is closed")
        UNKNOWN_PARENT = "unknown_parent", _("Unknown parent")
        IS_CHILD = "is_child", _("Is a child")
        BAD_CODE = "bad_code", _("Not a code")

    scan_id = models.UUIDField(help_text=_("Made by the page; the same one again changes nothing."))
    deed = models.CharField(_("deed"), max_length=9, choices=Deed)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome)
    raw = models.TextField(help_text=_("What the scanner read."))
    code = models.CharField(
        _("code"), max_length=255, help_text=_("The same, normalised; empty if not a code.")
    )
    bill = models.ForeignKey(
        Bill, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("bill")
    )
    ticket = models.ForeignKey(
        ReturnTicket,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("ticket"),
    )
    parent = models.ForeignKey(
        Bag, models.PROTECT, null=True, related_name="+", db_index=False, verbose_name=_("parent")
    )
    # The line that it made or took away, which may be gone.
    line_id = models.BigIntegerField(null=True)
    child_count = models.PositiveIntegerField(null=True)
    capacity = models.PositiveIntegerField(null=True)
    # The other bill: its number, since when, by whom.
    held_by = models.JSONField(null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("user"),
    )
    scanned_at = models.DateTimeField(_("scanned at"), help_text=_("The page's clock."))
    recorded_at = models.DateTimeField(
        _("recorded at"), db_default=Now(), help_text=_("The server's clock.")
    )

    class Meta:
        verbose_name = _("scan onto a bill")
        verbose_name_plural = _("scans onto bills")
        constraints = [
            # Reader: the same scan sent again.
            models.UniqueConstraint(fields=["scan_id"], name="billing_scan_scan_id_unique"),
            models.CheckConstraint(
                condition=Q(bill__isnull=False) | Q(ticket__isnull=False),
                name="billing_scan_of_something",
            ),
        ]
        indexes = [
            # Readers: a bill's history, a ticket's history, a parent's history.
            models.Index(
                fields=["bill", "id"], name="billing_scan_bill", condition=Q(bill__isnull=False)
            ),
            models.Index(
                fields=["ticket", "id"],
                name="billing_scan_ticket",
                condition=Q(ticket__isnull=False),
            ),
            models.Index(
                fields=["parent", "id"],
                name="billing_scan_parent",
                condition=Q(parent__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code or self.raw[:40]}: {self.outcome}"
