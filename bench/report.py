"""Tables: on the screen, in bench/results/*.json, and from there in docs/performance.md."""

import argparse
import json
import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import databases, sql

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results"
PAGE = PROJECT / "docs" / "performance.md"
INTRODUCTION = """# Performance

Written by `./tt bench report` from `bench/results`; `./tt bench all` measures anew.

Each figure is the median of the rounds, with the smallest and the largest in brackets. What is
compared ran in turns on one machine, so the ratios mean more than the times.
"""


def keep(
    name: str,
    *,
    title: str,
    text: str,
    target: str,
    options: argparse.Namespace,
    columns: list[str],
    rows: list[list[str]],
) -> None:
    """Print what was measured, and write it down."""
    result = {
        "title": title,
        "text": text,
        "target": target,
        "bags": options.bags,
        "rounds": options.rounds,
        "columns": columns,
        "rows": rows,
        "measured_on": datetime.now(UTC).date().isoformat(),
        "machine": _machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"\n{title}\n{_table(columns, rows)}\n", flush=True)


def write() -> None:
    """docs/performance.md from all results."""
    order = ["scan", "counters", "import", "stats", "services"]
    found = [RESULTS / f"{name}.json" for name in order]
    results = [json.loads(path.read_text()) for path in found if path.exists()]
    PAGE.write_text("\n".join([INTRODUCTION, *map(_section, results)]))


def spread(values: list[float], unit: str = "", digits: int = 0) -> str:
    """`1,234 (1,200 to 1,300)`: median, smallest, largest."""
    middle, low, high = (
        f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{middle}{unit} ({low} to {high})"


def _section(result: dict[str, Any]) -> str:
    machine = result["machine"]
    settings = ", ".join(f"{name} = {value}" for name, value in machine["settings"].items())
    return (
        f"## {result['title']}\n\n{result['text']}\n\nTarget: {result['target']}\n\n"
        f"{_table(result['columns'], result['rows'])}\n\n"
        f"{result['bags']:,} bags; {result['rounds']} rounds; {result['measured_on']}; "
        f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}; {settings}.\n"
    )


def _table(columns: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]

    def line(cells: list[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(columns), line(["-" * width for width in widths]), *map(line, rows)])


def _machine() -> dict[str, Any]:
    with databases.connect() as server:
        settings = dict(server.execute(sql.SETTINGS).fetchall())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "settings": settings,
    }
