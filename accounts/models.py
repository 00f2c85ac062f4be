"""Who works here."""

import unicodedata
from collections.abc import Iterable
from typing import Any, Self

from django.conf import settings
from django.contrib.auth import get_backends
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models, transaction
from django.db.models.functions import Lower, Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.record import record


class Role(models.TextChoices):
    """What a person is here for. `roles.py` says what each may do."""

    ADMIN = "admin", _("Admin")
    BILLER = "biller", _("Biller")
    DISPATCHER = "dispatcher", _("Dispatcher")


class UserQuerySet(models.QuerySet):
    def active(self) -> Self:
        """Those who may sign in."""
        return self.filter(is_active=True)

    def who_may(self, permission: str) -> Self:
        """Those whose role grants it, e.g. "billing.view_bill"."""
        from accounts.roles import MAY  # it knows our roles, so it can't be imported above

        return self.filter(role__in=[role for role, words in MAY.items() if permission in words])

    def wanting(self, what: str) -> Self:
        """Those who asked for e-mails about this, e.g. "bill_created", and may know of bills."""
        asked = self.active().who_may("billing.view_bill").filter(**{f"mail_{what}": True})
        return asked.exclude(email="").order_by("pk")


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):
    """Makes people, and finds them under any spelling of their name."""

    def get_by_natural_key(self, username: str) -> "User":
        return self.get(username=User.normalize_username(username))

    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """A new person, a dispatcher unless `role` says otherwise.

        The password is not judged here but at the doors; without one nobody can sign in.
        """
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Django's word for an admin; `manage.py createsuperuser` calls it."""
        return self.create_user(username, password, **{"role": Role.ADMIN} | fields)


class User(AbstractBaseUser):
    """One person. What they may do follows from their role and from nothing else."""

    username = models.CharField(
        _("username"),
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        help_text=_("Letters, digits and @ . + - _ only. Capitals don't matter."),
    )
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.DISPATCHER)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Without this the person can't sign in.")
    )
    # Also defaults of the database, so that an older version of the site can still add people.
    mail_bill_created = models.BooleanField(
        _("e-mail for each new bill"), default=False, db_default=False
    )
    mail_bill_completed = models.BooleanField(
        _("e-mail for each completed bill"), default=False, db_default=False
    )
    language = models.CharField(
        _("language of e-mails"),
        max_length=10,
        choices=settings.LANGUAGES,
        default="en",
        db_default="en",
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            # Also the index of every sign-in. Not `unique=True`, which adds one for LIKE.
            models.UniqueConstraint(fields=["username"], name="user_username_unique"),
            models.CheckConstraint(
                condition=models.Q(username=Lower("username")) & ~models.Q(username=""),
                name="user_username_lower",
                violation_error_message=_("This user name is not written in small letters."),
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["admin", "biller", "dispatcher"]), name="user_role"
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.username

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """The one spelling of a name: `BOB `, `Bob` and `ｂｏｂ` are all `bob`."""
        if not isinstance(username, str):
            return username
        lowered = unicodedata.normalize("NFKC", username).lower()
        return unicodedata.normalize("NFKC", lowered).strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With the one spelling of the name. A new password is an entry, whichever door it took."""
        self.username = self.normalize_username(self.username)
        new_password = self._password is not None and not self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            if new_password:
                record("user.password_changed", self)

    def get_short_name(self) -> str:
        """What the back office greets the person with."""
        return str(self)

    @property
    def is_staff(self) -> bool:
        """Whether the back office lets them in."""
        return self.has_perm("admin.view_site")

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Whether a backend grants it; `perm` is e.g. "bags.view_bag"."""
        return any(
            backend.has_perm(self, perm, obj)
            for backend in get_backends()
            if hasattr(backend, "has_perm")
        )

    def has_perms(self, perms: Iterable[str], obj: Any = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        return any(perm.startswith(f"{app_label}.") for perm in self.get_all_permissions())

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        """All that the backends grant."""
        found: set[str] = set()
        for backend in get_backends():
            if hasattr(backend, "get_all_permissions"):
                found |= backend.get_all_permissions(self, obj)
        return found


def axes_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name that failed sign-ins count under: one for all spellings, on every door.

    Without `credentials` it is read from the posted form, "" if there is none.
    """
    given = (credentials or request.POST).get(User.USERNAME_FIELD) or ""
    return User.normalize_username(given.replace("\0", ""))[:150]
