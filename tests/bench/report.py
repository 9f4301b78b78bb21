"""What was measured, as a table on the terminal and as docs/benchmarks.md."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
from django.conf import settings
from rich.console import Console
from rich.table import Table

from config import clock
from tests.bench.harness import Bench, Row, fetch

PAGE = Path(settings.BASE_DIR) / "docs" / "benchmarks.md"
COLUMNS = ("what", "ours", "rival", "ratio or figure", "goal", "stretch", "met")
INTRODUCTION = """\
# Benchmarks

`make bench` measures this (`make bench FULL=1` at the sizes of the goals) and writes this page. Never edit it by hand.

Ours and its rivals take turns in one run on one machine, on the embedded PostgreSQL with `fsync` and
`synchronous_commit` on, and each *ratio* is the median of the rounds' ratios, ours to the rival's: a busy machine is
busy for both. Absolute figures are this machine's, and say little about another one. Where there is no rival, the
figure itself is held against the goal. Logs below an error are off, for the rivals too.
"""
RIVALS = """\
## The rivals

- **The floor**: one process that copies finished rows with `INSERT … SELECT` and `UPDATE … FROM`, 1,000 posts a
  transaction, from staging tables into the very tables that settling writes, with the same indexes, triggers,
  constraints and roll-ups. It judges nothing, leases nothing and decides nothing.
- **The naive loop**: one transaction a claim, through the ORM, the same pure judging.
- **FastAPI + asyncpg on granian** (`tests/bench/rival.py`): the same look-up of the key, strict reading of the body,
  idempotency, locks, checks and rows, as many processes. A test holds its answers against ours.
- **The bare view**: one indexed `SELECT`, one committed `INSERT`, through the same Django.
"""


def show(bench: Bench) -> None:
    """Print the table and the listings."""
    table = Table(title="What was measured")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("what", "met") else "right")
    for row in bench.rows:
        table.add_row(*cells(row), style="red" if row.is_met is False else "")
    console = Console(width=160)
    console.print(table)
    for heading, lines in bench.listings.items():
        console.print(f"\n{heading}\n", *lines, sep="\n")


def write(bench: Bench, facts: Mapping[str, str], page: Path = PAGE) -> None:
    """Write the page."""
    scale = bench.scale
    table = ["| " + " | ".join(COLUMNS) + " |", "|---|---:|---:|---:|---:|---:|---|"]
    table += ["| " + " | ".join(cells(row)) + " |" for row in bench.rows]
    machine = [f"- {name}: {value}" for name, value in facts.items()]
    size = f"Sizes: {scale.name}; {scale.rounds} rounds a comparison, after one that warms up."
    parts = [INTRODUCTION, "## Figures\n", size + "\n", *table, "", "## The machine\n", *machine, "", RIVALS]
    for heading, lines in bench.listings.items():
        parts += [f"## {heading}\n", *(f"- {line}" for line in lines), ""]
    page.write_text("\n".join(parts))


def cells(row: Row) -> tuple[str, ...]:
    """A row's words."""
    value = "" if row.value is None else f"{row.value:.4g}"
    met = {True: "yes", False: "**no**", None: ""}[row.is_met]
    return row.what, row.ours, row.rival, value, str(row.goal or ""), str(row.stretch or ""), met


def facts() -> dict[str, str]:
    """On what was measured. Raises AssertionError where the database may lose what it has confirmed."""
    shown = {name: str(fetch(f"SHOW {name}")[0][0]) for name in ("server_version", "fsync", "synchronous_commit")}
    assert (shown["fsync"], shown["synchronous_commit"]) == ("on", "on"), shown
    return {
        "Date": f"{clock.now():%d %b %Y}",
        "Commit": _commit(),
        "Processor": f"{_processor()}, {os.cpu_count()} cores",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{shown['server_version']}, fsync {shown['fsync']}, synchronous_commit "
        f"{shown['synchronous_commit']}",
    }


def _commit() -> str:
    git = ["git", "-C", str(settings.BASE_DIR)]
    found = subprocess.run([*git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
