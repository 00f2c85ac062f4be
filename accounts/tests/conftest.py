"""What tests about people share."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from conftest import PASSWORD


@pytest.fixture
def at_once() -> Callable[[list[Callable]], list]:
    """Run all jobs at the same moment, each on a thread and connection of its own."""

    def run_all(jobs: list[Callable]) -> list:
        barrier = Barrier(len(jobs))

        def run(job: Callable):
            try:
                barrier.wait(timeout=20)
                return job()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(run, jobs))

    return run_all


@pytest.fixture
def second_admin(db) -> User:
    return User.objects.create_user("omar", password=PASSWORD, role="admin")


@pytest.fixture
def enter() -> Callable:
    """Post the sign-in form with this name and password; returns the answer."""

    def entered(username: str, password: str = PASSWORD, client: Client | None = None, **extra):
        client = client or Client()
        return client.post("/login/", {"username": username, "password": password}, **extra)

    return entered
