"""Each edit through the ORM of an audited model records itself.

What skips `save()` and `delete()` skips this too: a deed that uses `.update()`, bulk methods or SQL
calls `record` on its own. The entry is written in the transaction that is open; where a save and
its entry must be kept together or not at all, open one.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Field, Model
from django.db.models.signals import post_delete, post_save, pre_save

from audit.record import is_hidden, record

# Django writes it at each sign-in, which has an entry of its own.
UNTOLD = {"last_login"}


def connect(labels: Iterable[str]) -> None:
    """Begin to record edits of these models, each named "app.Model"."""
    for label in labels:
        pre_save.connect(_remember, sender=label)
        post_save.connect(_saved, sender=label)
        post_delete.connect(_deleted, sender=label)


def _remember(
    sender: type[Model],
    instance: Model,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Keep what is in the database now: one query, and none for what can't have changed."""
    fields = [] if raw or instance.pk is None else _fields(sender, update_fields)
    instance._audit_before = _stored(instance, fields, using) if fields else None


def _saved(
    sender: type[Model],
    instance: Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    before = instance.__dict__.pop("_audit_before", None)
    if raw or not (created or before):
        return
    after = _held(instance, _fields(sender, update_fields), using)
    if created:
        record(f"{sender._meta.model_name}.created", instance, after=after)
        return
    changed = [name for name in after if after[name] != before.get(name)]
    if changed:
        record(
            f"{sender._meta.model_name}.updated",
            instance,
            before={name: before.get(name) for name in changed},
            after={name: after[name] for name in changed},
        )


def _deleted(sender: type[Model], instance: Model, using: str, **kwargs: Any) -> None:
    before = {field.attname: getattr(instance, field.attname) for field in _fields(sender)}
    record(f"{sender._meta.model_name}.deleted", instance, before=before)


def _fields(model: type[Model], names: frozenset[str] | None = None) -> list[Field]:
    """The columns that entries tell about, only those in `names` when it is given."""
    return [
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.generated or is_hidden(field.name))
        and field.name not in UNTOLD
        and (names is None or field.name in names or field.attname in names)
    ]


def _stored(instance: Model, fields: list[Field], using: str) -> dict[str, Any] | None:
    """These columns of the instance's row; None when there is no such row."""
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    return rows.values(*(field.attname for field in fields)).first()


def _held(instance: Model, fields: list[Field], using: str) -> dict[str, Any]:
    """These columns as they were just saved. What the database worked out is read from there."""
    held = {field.attname: getattr(instance, field.attname) for field in fields}
    if any(hasattr(value, "resolve_expression") for value in held.values()):
        return _stored(instance, fields, using) or {}
    return {field.attname: field.to_python(held[field.attname]) for field in fields}
