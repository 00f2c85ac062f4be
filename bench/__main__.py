"""Measure, print a table, keep the figures in bench/results/*.json.

  ./tt bench scan       the scan statement against the cheapest form of the same writes
  ./tt bench counters   scans with and without the counters
  ./tt bench import     how long scans wait while a large import is open
  ./tt bench stats      the statistics at two sizes
  ./tt bench services   outcomes and times of scans through the services
  ./tt bench all        all of these
  ./tt bench report     docs/performance.md from the figures that are kept

Databases of its own are made on the same server and dropped afterwards, but for the filled ones,
which the next run uses again: drop those with `./tt bench clean`.
"""

import argparse
import os
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracetrack.settings")
django.setup()

from bench import databases, imports, report, scans, services, statistics  # noqa: E402

BENCHMARKS: dict[str, Callable[[argparse.Namespace], None]] = {
    "scan": scans.against_bare_writes,
    "counters": scans.with_and_without_counters,
    "import": imports.stalls,
    "stats": statistics.at_two_sizes,
    "services": services.outcomes_and_times,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="./tt bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    choices = [*BENCHMARKS, "all", "report", "clean"]
    parser.add_argument("what", nargs="?", default="all", choices=choices)
    parser.add_argument("--bags", type=int, default=1_800_000, help="size of the data set")
    parser.add_argument("--seconds", type=int, default=6, help="length of each run")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind, in turns")
    parser.add_argument("--clients", type=int, nargs="+", help="instead of the usual numbers")
    options = parser.parse_args()
    if options.what == "clean":
        databases.drop_filled()
    elif options.what != "report":
        for name in BENCHMARKS if options.what == "all" else [options.what]:
            BENCHMARKS[name](options)
    report.write()


main()
