"""Things: what a code stands for, and which child is in which parent.

The rules that people could break together stand in the database: constraints here, triggers in
`migrations/0002_triggers.py`.
"""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now, Upper
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from bags import codes


class ProductQuerySet(models.QuerySet):
    def active(self) -> "ProductQuerySet":
        """The products whose pattern makes a code a parent."""
        return self.filter(is_active=True)


class Product(models.Model):
    """What a parent's code says about it. New parents copy capacity and weight from here."""

    name = models.CharField(max_length=64, unique=True)
    pattern = models.CharField(
        max_length=64,
        db_collation="C",
        help_text=_("The parent's code, with # for a digit: SB#####."),
    )
    capacity = models.PositiveIntegerField(help_text=_("Children in a full parent."))
    kg_per_child = models.DecimalField(
        _("kg per child"),
        max_digits=8,
        decimal_places=3,
        help_text=_("Kilograms, for the bill's weight."),
    )
    is_active = models.BooleanField(
        _("active"),
        default=True,
        db_default=True,
        help_text=_("Only active products make new parents."),
    )

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["pattern"], name="bags_product_pattern_unique"),
            models.CheckConstraint(
                # No character here has a meaning of its own in a regular expression.
                condition=Q(pattern__regex=r"^[A-Z0-9#][A-Z0-9#/:_ -]{2,63}$"),
                name="bags_product_pattern_form",
                violation_error_message=_("3 to 64 characters: A-Z, 0-9, / : _ - or #."),
            ),
            models.CheckConstraint(
                condition=Q(capacity__range=(1, 10_000)),
                name="bags_product_capacity_range",
                violation_error_message=_("The capacity is 1 to 10,000 children."),
            ),
            models.CheckConstraint(
                condition=Q(kg_per_child__gt=0),
                name="bags_product_weight_positive",
                violation_error_message=_("The weight of a child is more than 0 kg."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """No code may fit two active products: it would not be known which one it is."""
        self.pattern = codes.normalise(self.pattern)
        if not self.is_active:
            return
        for other in Product.objects.active().exclude(pk=self.pk):
            if _overlap(self.pattern, other.pattern):
                text = _("Codes of %(product)s would fit this as well.") % {"product": other.name}
                raise ValidationError({"pattern": text})


def _overlap(a: str, b: str) -> bool:
    """True where one code could fit both masks."""

    def fits(x: str, y: str) -> bool:
        return x == y or (x == "#" and (y.isdigit() or y == "#")) or (y == "#" and x.isdigit())

    return len(a) == len(b) and all(map(fits, a, b))


class BagQuerySet(models.QuerySet):
    def parents(self) -> "BagQuerySet":
        return self.filter(type=Bag.Type.PARENT)

    def children(self) -> "BagQuerySet":
        return self.filter(type=Bag.Type.CHILD)

    def of_code(self, raw: str) -> "BagQuerySet":
        """The bag that this text names; for a label number alone, all bags that bear it."""
        code = codes.read(raw)
        number = code.qr_id or codes.normalise(raw)
        if number.isascii() and number.isdecimal():
            return self.filter(Q(qr_id=number) | Q(label_no=number))
        return self.filter(qr_id=code.qr_id)

    def search(self, text: str, limit: int = 50) -> list["Bag"]:
        """Bags with this code or label number; else those with it in their code (trigram).

        `text` is as read or typed. A part needs 3 characters, or nothing is found.
        """
        exact = list(self.of_code(text).order_by("-id")[:limit])
        part = codes.normalise(text)[: codes.MAX_LENGTH]
        if exact or len(part) < 3:
            return exact
        return list(self.filter(qr_id__contains=part).order_by("-id")[:limit])


class Bag(models.Model):
    """A parent or a child, for life. `qr_id` is its code and never changes either."""

    class Type(models.TextChoices):
        PARENT = "parent", _("Parent")
        CHILD = "child", _("Child")

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        IN_PROGRESS = "in_progress", _("In progress")
        COMPLETED = "completed", _("Completed")

    # Collation C: upper() and LIKE 'A%' mean the same on every server, and the index serves both.
    qr_id = models.CharField(_("code"), max_length=codes.MAX_LENGTH, db_collation="C")
    type = models.CharField(max_length=6, choices=Type)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    # A parent's own, copied from the product when it is made. Old parents have no product.
    product = models.ForeignKey(
        Product, models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )
    capacity = models.PositiveIntegerField(null=True, blank=True)
    kg_per_child = models.DecimalField(
        _("kg per child"), max_digits=8, decimal_places=3, null=True, blank=True
    )
    # Kept by triggers on Link.
    child_count = models.PositiveIntegerField(_("children"), db_default=0, editable=False)
    completed_at = models.DateTimeField(null=True, editable=False)
    # On a completed bill since then: its children can't change.
    dispatched_at = models.DateTimeField(null=True, editable=False)
    status = models.GeneratedField(
        expression=Case(
            When(~Q(type="parent"), then=Value(None)),
            When(Q(completed_at__isnull=False), then=Value("completed")),
            When(Q(child_count=0), then=Value("pending")),
            default=Value("in_progress"),
        ),
        output_field=models.CharField(max_length=11, choices=Status, null=True),
        db_persist=True,
    )

    # A child's own, read from its label.
    label_no = models.CharField(_("label no."), max_length=32, db_default="", blank=True)
    lot_no = models.CharField(_("lot no."), max_length=codes.MAX_LENGTH, db_default="", blank=True)
    tested_on = models.DateField(_("date of test"), null=True, blank=True)

    objects = BagQuerySet.as_manager()

    class Meta:
        constraints = [
            # Reader: every scan and look-up.
            models.UniqueConstraint(
                fields=["qr_id"],
                name="bags_bag_qr_id_unique",
                violation_error_message=_("There is a bag with this code already."),
            ),
            models.CheckConstraint(
                condition=Q(qr_id=Upper("qr_id")) & Q(qr_id__regex=r"^[ -~]+$"),
                name="bags_bag_qr_id_upper",
                violation_error_message=_("A code is in capital letters."),
            ),
            models.CheckConstraint(
                # The prefix first: it decides for all bags but a few, and costs next to nothing.
                condition=~Q(qr_id__startswith="TRKCODE")
                | ~Q(qr_id__regex=f"^{codes.RESERVED.pattern}$"),
                name="bags_bag_qr_id_no_command",
                violation_error_message=_("This code is a command to the station."),
            ),
            models.CheckConstraint(
                condition=Q(
                    type="parent",
                    capacity__isnull=False,
                    capacity__range=(1, 10_000),
                    kg_per_child__isnull=False,
                    kg_per_child__gt=0,
                    child_count__range=(0, F("capacity")),
                    label_no="",
                )
                | Q(
                    type="child",
                    capacity__isnull=True,
                    kg_per_child__isnull=True,
                    product__isnull=True,
                    child_count=0,
                    completed_at__isnull=True,
                    dispatched_at__isnull=True,
                ),
                name="bags_bag_shape",
                violation_error_message=_("A parent has a capacity of 1 to 10,000 and a weight."),
            ),
        ]
        indexes = [
            # Reader: lists of parents (60,000 among 1.8 million), newest first.
            models.Index(fields=["-id"], name="bags_bag_parents", condition=Q(type="parent")),
            # Readers: the back office's filters of parents.
            models.Index(
                fields=["status", "-id"], name="bags_bag_status", condition=Q(type="parent")
            ),
            models.Index(
                fields=["product", "-id"], name="bags_bag_product", condition=Q(type="parent")
            ),
            # Reader: look-up by label number alone.
            models.Index(fields=["label_no"], name="bags_bag_label", condition=~Q(label_no="")),
            # Reader: look-up by any part of a code.
            GinIndex(fields=["qr_id"], name="bags_bag_part", opclasses=["gin_trgm_ops"]),
        ]

    def __str__(self) -> str:
        return self.qr_id

    def clean(self) -> None:
        """A new bag's code is read like a scanned one, a label's whole text too.

        The shape is checked here, because Django leaves out constraints over fields that are not
        in a form, and `child_count` never is.
        """
        if self._state.adding:
            self._read_code()
        shape = next(c for c in self._meta.constraints if c.name == "bags_bag_shape")
        shape.validate(Bag, self)

    def _read_code(self) -> None:
        code = codes.read(self.qr_id)
        if code.form == "bad":
            raise ValidationError({"qr_id": _("This is not a code.")})
        self.qr_id = code.qr_id
        if code.form == "label":
            self.label_no, self.lot_no, self.tested_on = code.label_no, code.lot_no, code.tested_on

    @property
    def link_to_parent(self) -> "Link | None":
        """Where this child is now, or None."""
        return Link.objects.filter(child=self).select_related("parent", "linked_by").first()

    @cached_property
    def has_left(self) -> bool:
        """It is on a completed bill, or in a parent that is. It can't change then."""
        if self.type == Bag.Type.PARENT:
            return self.dispatched_at is not None
        return Link.objects.filter(child=self, parent__dispatched_at__isnull=False).exists()


class Link(models.Model):
    """This child is in this parent now. Links are made and removed, never changed."""

    child = models.OneToOneField(Bag, models.PROTECT, related_name="link")
    parent = models.ForeignKey(
        Bag, models.PROTECT, related_name="links_to_children", db_index=False
    )
    linked_at = models.DateTimeField(db_default=Now(), editable=False)
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(child=F("parent")),
                name="bags_link_not_to_itself",
                violation_error_message=_("A bag can't be in itself."),
            ),
        ]
        indexes = [
            # Reader: a parent's children in the order in which they were packed; the foreign key.
            models.Index(fields=["parent", "id"], name="bags_link_parent"),
        ]

    def __str__(self) -> str:
        return f"{self.child} in {self.parent}"
