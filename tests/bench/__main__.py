"""Measure everything, print it, and write docs/benchmarks.md.

    python -m tests.bench [--full | --tiny] [--only MODULE …]

With `--only`, or at the tiny size, the page is left as it is.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.test.utils import setup_databases, setup_test_environment, teardown_databases
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import campaign, clicks, ledger, pipeline, report, settling, web
from tests.bench.harness import FULL, QUICK, TINY, Bench, Scale, copied, drop_database, quiet_logs

MODULES = {
    "settling": settling.measure,
    "pipeline": pipeline.measure,
    "web": web.measure,
    "campaign": campaign.measure,
    "clicks": clicks.measure,
    "ledger": ledger.measure,
}


def main() -> None:
    """Read what to measure, and measure it."""
    parser = argparse.ArgumentParser(description="How fast claims are taken, settled and shown.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", dest="scale", action="store_const", const=FULL, help="at the sizes of the goals")
    size.add_argument("--tiny", dest="scale", action="store_const", const=TINY, help="only whether it runs")
    parser.add_argument("--only", nargs="+", choices=MODULES, default=list(MODULES), help="some of it")
    options = parser.parse_args()
    scale = options.scale or QUICK
    setup_test_environment()
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        facts = report.facts()
        bench = measure(scale, options.only)
    finally:
        teardown_databases(databases, verbosity=0)
    report.show(bench)
    if scale is not TINY and set(options.only) == set(MODULES):
        report.write(bench, facts)


def measure(scale: Scale, names: Sequence[str]) -> Bench:
    """What these modules find, each on a database of its own that is like the one in use."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with tempfile.TemporaryDirectory() as logs, Progress(*columns) as progress, quiet_logs():
        bench = Bench(scale, progress, Path(logs))
        try:
            for name in names:
                with copied(name):
                    MODULES[name](bench)
        finally:
            for database, _ in bench.kept.values():
                drop_database(database)
        return bench


if __name__ == "__main__":
    main()
