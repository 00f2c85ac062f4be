"""What all tests share: people, a client for each, and tables emptied past their guards."""

import os
from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.core.management import color
from django.db import connection
from django.test import Client
from django.utils import translation

from tracetrack import postgres

# Django does not empty these by itself, as their models are not managed by it.
JOBS = [f"procrastinate_{name}" for name in ("jobs", "events", "periodic_defers", "workers")]
PASSWORD = "Seeds-2026!"  # noqa: S105  for tests only

if not os.environ.get("DATABASE_URL"):
    postgres.ensure_running()
    # The settings were read before the very first start made the password and the port.
    address = postgres.connection_settings()
    connection.settings_dict |= {name: address[name] for name in ("HOST", "PORT", "PASSWORD")}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long tests as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:  # side by side: the browser's tests one after another, all others by file
        group = "browser" if "browser" in item.keywords else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="a long one: ./tt test --long")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def _connections_for_races() -> None:
    """Races need a connection for each thread."""
    connection.settings_dict["OPTIONS"]["pool"] |= {"max_size": 60, "timeout": 20}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A thread that ended with its test may have left a connection, which keeps the database."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True, scope="session")
def _emptied_past_the_guards() -> None:
    """History refuses TRUNCATE. Between tests it is emptied as a replica would: without triggers.

    What the migrations put into the tables is put back.
    """
    ops = type(connection.ops)
    plain = ops.sql_flush

    def sql_flush(self, style, tables, *, reset_sequences=False, allow_cascade=False):
        emptied = [table for table in tables if table != "bags_product"] + JOBS
        statements = plain(
            self, color.no_style(), emptied, reset_sequences=reset_sequences, allow_cascade=False
        )
        return [
            "SET session_replication_role = replica",
            *statements,
            "DELETE FROM bags_product WHERE pattern NOT IN ('SB#####', 'M444-#####')",
            "SET session_replication_role = origin",
        ]

    ops.sql_flush = sql_flush


@pytest.fixture(autouse=True)
def _fast_hasher(settings, request: pytest.FixtureRequest) -> None:
    """Scrypt takes a third of a second. Tests of the hasher itself ask for `real_hasher`."""
    if "real_hasher" not in request.fixturenames:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A request leaves its language behind in the thread."""
    yield
    translation.deactivate()


@pytest.fixture
def real_hasher() -> None:
    """Marks a test that needs the hashers of production."""


def _person(username: str, role: str):
    people = apps.get_model("accounts", "User").objects
    return people.create_user(username, password=PASSWORD, role=role, full_name=username.title())


@pytest.fixture
def dispatcher(db):
    return _person("ravi", "dispatcher")


@pytest.fixture
def biller(db):
    return _person("meena", "biller")


@pytest.fixture
def admin_user(db):
    return _person("asha", "admin")


@pytest.fixture
def sign_in() -> Callable[..., Client]:
    """A person -> a client that is signed in as them."""

    def signed_in(person) -> Client:
        client = Client()
        client.force_login(person, backend="accounts.roles.RoleBackend")
        return client

    return signed_in
