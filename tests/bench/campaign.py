"""The dashboard's queries: what a campaign's page takes of the database, with few posts and with many."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client

from reconciliation.services import rollups
from tests.bench import endpoints
from tests.bench.harness import Bench, Row, at_most
from tests.bench.settling import settled

VISITS = 7


class Queries:
    """Times every query that passes, in milliseconds."""

    def __init__(self) -> None:
        self.durations_ms: list[float] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.durations_ms.append((time.perf_counter() - started) * 1_000)


def measure(bench: Bench) -> None:
    """Add the rows of the campaign's page at both sizes, and of the slowest query of any page at the larger one."""
    few, many = bench.scale.campaign_posts
    takes_ms = {}
    for posts in (few, many):
        with settled(bench, posts) as world:
            client = Client()
            client.force_login(world.managers[0])
            paths = endpoints.pages(world, endpoints.judged(world))
            visited = {name: _visited(client, path) for name, path in paths.items()}
            takes_ms[posts] = statistics.median(sum(each) for each in visited["campaign"])
            different = len(rollups.differences())
    slowest = {
        name: max(statistics.median(each) for each in zip(*rounds, strict=True)) for name, rounds in visited.items()
    }
    name = max(slowest, key=lambda each: slowest[each])
    what = f"campaign page's queries, {many:,} posts to {few:,}"
    growth = takes_ms[many] / takes_ms[few]
    bench.add(Row(what, f"{takes_ms[many]:.1f} ms", f"{takes_ms[few]:.1f} ms", growth, at_most(3)))
    number = len(visited["campaign"][0])
    what = f"campaign page's {number} queries in all at {many:,} posts, ms"
    bench.add(Row(what, f"{takes_ms[many]:.1f} ms", "", takes_ms[many], at_most(15)))
    what = f"slowest query of any dashboard page at {many:,} posts, ms"
    bench.add(Row(what, f"{slowest[name]:.1f} ms ({name})", "", slowest[name], at_most(100)))
    what = f"rows of roll-ups that differ from a full recount of {many:,} posts"
    bench.add(Row(what, f"{different}", "", different, at_most(0)))


def _visited(client: Client, path: str) -> list[list[float]]:
    """What the queries of each visit took, once the first one has warmed up."""
    rounds = []
    for _ in range(VISITS + 1):
        queries = Queries()
        with connection.execute_wrapper(queries):
            assert client.get(path).status_code == 200
        rounds.append(queries.durations_ms)
    return rounds[1:]
