"""Databases for measuring, beside the application's own, which is never touched."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg.sql import SQL, Identifier, Literal

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "tracetrack_bench_"
WORK = PREFIX + "work"


def environment(database: str) -> dict[str, str]:
    """The variables by which PostgreSQL's own programs find this database."""
    at = settings.DATABASES["default"]
    named = {"PGHOST": at["HOST"], "PGPORT": at["PORT"], "PGUSER": at["USER"]}
    named |= {"PGPASSWORD": at["PASSWORD"], "PGDATABASE": database}
    named |= {"PGHOST": at["OPTIONS"].get("host", at["HOST"])}
    return os.environ | {name: str(value) for name, value in named.items() if value}


def connect(database: str = "postgres") -> psycopg.Connection[Any]:
    variables = environment(database)
    names = ("host", "port", "user", "password")
    given = {name: variables.get(f"PG{name.upper()}") for name in names}
    return psycopg.connect(dbname=database, autocommit=True, **given)


def filled(bags: int) -> str:
    """The database with so many bags: made now, or kept from before if it was made just so."""
    name, made_of = f"{PREFIX}{bags}", _digest()
    with connect() as server:
        if _comment(server, name) == made_of:
            return name
        _drop(server, name)
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        print(f"Making {name} ...", flush=True)
        _manage(name, "migrate", "--verbosity", "0")
        _manage(name, "make_demo", "--bags", str(bags))
        with connect(name) as database:
            database.execute("VACUUM (ANALYZE)")
        server.execute(
            SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(made_of))
        )
    return name


@contextmanager
def copy_of(template: str, name: str = WORK) -> Iterator[str]:
    """A copy to write to; dropped at the end."""
    with connect() as server:
        _drop(server, name)
        copied = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        server.execute(copied.format(Identifier(name), Identifier(template)))
    try:
        yield name
    finally:
        with connect() as server:
            _drop(server, name)


def drop_filled() -> None:
    with connect() as server:
        names = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
        for (name,) in server.execute(names, [PREFIX]).fetchall():
            _drop(server, name)


def _drop(server: psycopg.Connection[Any], name: str) -> None:
    server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _comment(server: psycopg.Connection[Any], name: str) -> str | None:
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    found = server.execute(query, [name]).fetchone()
    return found and found[0]


def _digest() -> str:
    """Of all that decides what is in a filled database: migrations and the demo's SQL."""
    files = [*PROJECT.glob("*/migrations/*.py"), *PROJECT.glob("monitoring/demo*.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()


def _manage(database: str, *arguments: str) -> None:
    at = environment(database)
    login = f"{quote(at['PGUSER'])}:{quote(at.get('PGPASSWORD', ''))}"
    place = f":{at.get('PGPORT', 5432)}/{database}?host={quote(at['PGHOST'], safe='')}"
    url = f"postgresql://{login}@{place}"
    named = {"DATABASE_URL": url, "PRODUCTION_DATABASE_URL": url}
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    subprocess.run(command, env=os.environ | named, check=True)  # noqa: S603  our own program
