"""The ledger: how fast receipts are sealed, and how fast everything is derived and checked again."""

from datetime import timedelta

from django.db import connection

from config import clock
from reconciliation.services import sealing
from reconciliation.services.verifying import Selection, verify
from tests.bench.harness import Bench, Row, at_least, at_most, use
from tests.bench.processes import put_to_work, workers
from tests.bench.settling import settled


def measure(bench: Bench) -> None:
    """Add the rows of sealing and verifying, each by one process of its own."""
    posts, _ = bench.scale.campaign_posts
    with settled(bench, posts), workers(2) as (sealer, verifier):
        database = connection.settings_dict["NAME"]
        sealed = put_to_work([sealer], seal_all, database)
        verified = put_to_work([verifier], verify_all, database)
    bench.add(Row(f"receipts sealed a second, of {posts:,}", f"{sealed.per_second:,.0f}/s", "", sealed.per_second))
    what = f"verdicts derived and checked a second, of {posts:,}"
    bench.add(Row(what, f"{verified.per_second:,.0f}/s", "", verified.per_second, at_least(5_000)))
    what = f"memory above start while checking {posts:,} verdicts, MiB"
    bench.add(Row(what, f"{verified.grown_mib:.0f}", "", verified.grown_mib, at_most(50)))


def seal_all(database: str) -> int:
    """Seal everything, two days later; returns how many receipts that was."""
    use(database)
    with clock.at(clock.now() + timedelta(days=2)):
        return sum(block.count for block in sealing.seal())


def verify_all(database: str) -> int:
    """Verify everything; returns how many verdicts that was. Raises AssertionError where something is wrong."""
    use(database)
    verdicts = 0
    for page in verify(selection=Selection()):
        assert not page.faults, page.faults
        verdicts += page.verdicts
    return verdicts
