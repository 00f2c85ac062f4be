"""manage.py createadmin: the first admin, or one more."""

import secrets
import string
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.models import Role, User

LETTERS = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))


class Command(BaseCommand):
    help = "Make an admin. Without --password-stdin a password is made and shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--password-stdin", action="store_true", help="Read the password from the first line."
        )

    def handle(self, *args: Any, username: str, password_stdin: bool, **options: Any) -> None:
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _new_password()
        user = User(username=username, role=Role.ADMIN)
        user.set_password(password)
        try:
            user.full_clean()
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        with transaction.atomic():
            user.save()
        self.stdout.write(f"{user.username} is an admin now.")
        if not password_stdin:
            self.stdout.write(f"The password, shown only this once: {password}")


def _new_password() -> str:
    """About 115 bits, in four groups that can be read out; passes all validators."""
    while True:
        groups = ["".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(4)]
        password = "-".join(groups)
        try:
            validate_password(password)
        except ValidationError:
            continue  # no digit, or no capital letter
        return password
