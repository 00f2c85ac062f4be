"""A system check: the triggers that keep the rules are in the database."""

from typing import Any

from django.core.checks import Error, Tags, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from monitoring import sql

EXPECTED = {
    "audit_entry": ["audit_entry_append_only", "audit_entry_not_emptied"],
    "bags_bag": [
        "bags_keep_identity",
        "bags_keep_count",
        "bags_follow_capacity",
        "billing_keep_dispatched",
        "billing_not_made_dispatched",
        "billing_keep_label",
        "monitoring_bag_added",
        "monitoring_bag_removed",
    ],
    "bags_link": [
        "bags_count_made",
        "bags_count_removed",
        "bags_link_fixed",
        "bags_link_not_emptied",
        "monitoring_link_added",
        "monitoring_link_removed",
    ],
    "scanning_scan": ["scanning_scan_append_only", "monitoring_scan_added"],
    "scanning_undo": ["scanning_undo_append_only"],
    "scanning_verdict": ["scanning_verdict_append_only"],
    "scanning_scanexception": [
        "scanning_exception_resolved_once",
        "scanning_exception_not_emptied",
    ],
    "billing_bill": [
        "billing_keep_bill",
        "billing_dispatch_parents",
        "billing_bill_kept",
        "billing_bill_not_emptied",
        "monitoring_bill_added",
        "monitoring_bill_removed",
    ],
    "billing_billline": [
        "billing_line_made",
        "billing_line_removed",
        "billing_line_fixed",
        "billing_line_not_emptied",
    ],
    "billing_billscan": ["billing_scan_append_only"],
    "billing_returnticket": ["billing_keep_ticket", "billing_ticket_kept"],
    "billing_returnline": [
        "billing_return_line",
        "billing_take_back",
        "billing_taken_back_as_a_whole",
        "billing_return_kept",
    ],
    "billing_returnedchild": [
        "billing_returned_child_append_only",
        "billing_returned_child_by_return",
    ],
    "accounts_user": [
        "accounts_last_admin_kept",
        "accounts_last_admin_not_deleted",
        "monitoring_user_added",
        "monitoring_user_removed",
    ],
}


@register(Tags.database)
def triggers_present(databases: list[str] | None, **kwargs: Any) -> list[Error]:
    """An Error for each trigger that is missing or switched off. Runs with `check --database`.

    A database whose migrations are not all applied is left alone: they may bring the trigger, and
    `migrate` itself asks this first.
    """
    errors = []
    for alias in databases or []:
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            continue
        with connections[alias].cursor() as cursor:
            cursor.execute(sql.TRIGGERS)
            present = {name for (name,) in cursor.fetchall()}
        errors += [
            Error(
                f"The trigger {name} on {table} is missing or switched off.",
                hint="Apply the migrations again, or restore the trigger from its migration.",
                id="monitoring.E001",
            )
            for table, names in EXPECTED.items()
            for name in names
            if f"{table}.{name}" not in present
        ]
    return errors
