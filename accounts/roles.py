"""What each role may do: one table, read by pages, API and back office through `has_perm`.

The words are Django's permission strings, `app.action_model`. There are no rows of
`django.contrib.auth.Permission` behind them; a word that is not in this table is denied.
"""

from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import Role, User


def _may(model: str, *actions: str) -> frozenset[str]:
    """("bags.bag", "view", "add") -> {"bags.view_bag", "bags.add_bag"}"""
    app, _, name = model.partition(".")
    return frozenset(f"{app}.{action}_{name}" for action in actions)


_ALL = ("view", "add", "change", "delete")

_DISPATCHER = frozenset().union(
    _may("bags.bag", "view"),
    _may("bags.link", "view"),
    _may("bags.product", "view"),
    _may("scanning.station", "view"),
    _may("scanning.scan", "view", "add", "undo"),
    _may("scanning.undo", "view"),
    _may("scanning.scanexception", "view"),  # of their own scans they decide themselves
    _may("scanning.child", "move"),
    _may("monitoring.statistics", "view"),
)

_BILLER = _DISPATCHER.union(
    _may("admin.site", "view"),
    _may("scanning.exception", "resolve"),
    _may("scanning.device", "view"),
    _may("scanning.board", "view"),
    _may("billing.bill", *_ALL, "load", "complete", "reopen"),
    _may("billing.billline", "view"),
    _may("billing.billscan", "view"),
    _may("billing.returnticket", "view", "add", "change"),
    _may("billing.returnline", "view"),
)

# Scans, their undoing and entries are history: nobody changes them.
_ADMIN = _BILLER.union(
    _may("bags.bag", *_ALL),
    _may("bags.link", "view", "add", "delete"),
    _may("bags.product", *_ALL),
    _may("scanning.station", *_ALL),
    _may("accounts.user", *_ALL),
    _may("audit.entry", "view"),
    _may("mail.mail", "view", "resend"),
    _may("mail.job", "view"),
)

MAY: dict[str, frozenset[str]] = {
    Role.DISPATCHER: _DISPATCHER,
    Role.BILLER: _BILLER,
    Role.ADMIN: _ADMIN,
}


class RoleBackend(ModelBackend):
    """Signs in by name and password as Django does, and grants what the role may."""

    def get_all_permissions(self, user_obj: User, obj: Any = None) -> set[str]:
        """Nothing for strangers and for those who were deactivated."""
        if user_obj.is_anonymous or not user_obj.is_active:
            return set()
        return set(MAY.get(user_obj.role, ()))

    def has_perm(self, user_obj: User, perm: str, obj: Any = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)

    def get_user_permissions(self, user_obj: User, obj: Any = None) -> set[str]:
        return self.get_all_permissions(user_obj, obj)

    def get_group_permissions(self, user_obj: User, obj: Any = None) -> set[str]:
        return set()
