import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from monitoring import demo


class Command(BaseCommand):
    help = (
        "Make something to look at: three people, stations and packed bags, unless there are "
        "people already. With --bags make a data set of that size, in a database without bags."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bags", type=int, help="parents and children together")
        parser.add_argument("--seed", type=int, default=1, help="another one makes other rows")

    def handle(self, *args: Any, bags: int | None, seed: int, **options: Any) -> None:
        if bags is not None:
            self._large(bags, seed)
        elif User.objects.exists():
            self.stdout.write("There are people already, so no demo was made.")
        else:
            self._small()

    def _small(self) -> None:
        people = demo.make_small()
        self.stdout.write("A small demo was made. Sign in as:\n\n")
        self.stdout.write(f"  {'user name':<12}{'password':<16}role")
        for user, password in people:
            self.stdout.write(f"  {user.username:<12}{password:<16}{user.get_role_display()}")
        self.stdout.write("\nThese are shown once.\n")

    def _large(self, bags: int, seed: int) -> None:
        if bags < 1:
            raise CommandError("--bags must be at least 1.")
        if not demo.is_empty():
            raise CommandError("There are bags already. Use a database without any.")
        begun = time.monotonic()
        try:
            for name, rows in demo.make_large(bags, seed):
                self._say(f"{rows:>12,} {name}", begun)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self._say("Statistics and indexes are made.", begun)

    def _say(self, text: str, begun: float) -> None:
        self.stdout.write(f"{text}  ({time.monotonic() - begun:.1f} s)")
