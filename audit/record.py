"""The one way to write an entry."""

from typing import Any

from django.db.models import Model

from audit.context import current
from audit.models import Entry

HIDDEN = ("password", "secret", "token")


def record(
    action: str,
    target: Model | None = None,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    actor: Any = None,
) -> Entry:
    """Write who did what to which thing, in the transaction that is open now.

    Call it inside the deed's transaction: either both are kept, or neither is. `action` is a stable
    word such as "bag.created"; `before` and `after` bear the fields that changed. `actor` is for
    moments when the context doesn't know the person yet or any more.
    """
    context = current()
    actor = actor or context.actor
    return Entry.objects.create(
        action=action,
        actor_id=actor.pk if actor else None,
        actor_name=str(actor)[:150] if actor else "",
        actor_role=getattr(actor, "role", ""),
        target_type=target._meta.label_lower if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
        target_label=str(target)[:255] if target is not None else "",
        before=_shown(before),
        after=_shown(after),
        request_id=context.request_id,
        ip=context.ip,
        channel=context.channel,
        reason=reason,
    )


def is_hidden(name: str) -> bool:
    """Whether a field of this name is never written down."""
    return any(word in name.lower() for word in HIDDEN)


def _shown(value: Any) -> Any:
    """`value` without what is secret, at any depth."""
    if isinstance(value, dict):
        return {str(key): _shown(kept) for key, kept in value.items() if not is_hidden(str(key))}
    if isinstance(value, list | tuple):
        return [_shown(kept) for kept in value]
    return value
