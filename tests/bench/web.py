"""Over HTTP, beside many settled claims: `POST /submissions/` and a list of 50 held against the rival, claims in bulk,
and every endpoint.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count, islice
from uuid import uuid4

from django.db import connection

from config.demo.http import call
from config.demo.processes import free_port
from tests.bench import endpoints, load
from tests.bench.harness import Bench, Bound, at_least, at_most
from tests.bench.settling import settled
from tests.bench.world import World, video
from tests.config.programs import await_that, running, serving

PROCESSES = 2
"""Of the rival, as many as ours has."""
CONNECTIONS = 8
BULK = 100
SUBMIT, HISTORY, IN_BULK = "/api/v1/submissions/", "/api/v1/submissions/history/", "/api/v1/submissions/bulk"
_numbers = count(10**9)  # beyond the fixture's own


def measure(bench: Bench) -> None:
    """Add the rows of requests, lists and endpoints."""
    with settled(bench, bench.scale.listed_posts) as world, servers(bench) as (ours, theirs):
        _submissions(bench, world, ours, theirs)
        _bulk(bench, world, ours)
        _lists(bench, world, ours, theirs)
        endpoints.measure(bench, world, ours)


@contextmanager
def servers(bench: Bench) -> Iterator[tuple[int, int]]:
    """Ours and the rival's, both on the database in use: their ports."""
    ours, theirs = free_port(0), free_port(0)
    given = connection.settings_dict
    address = f"postgresql://{given['USER']}@/{given['NAME']}?host={given['HOST']}&port={given['PORT']}"
    granian = ["-m", "granian", "tests.bench.rival:app", "--interface", "asgi", "--workers", str(PROCESSES)]
    granian += ["--host", "127.0.0.1", "--port", str(theirs), "--no-ws", "--log-level", "error"]
    with ExitStack() as stack:
        web = running("web", "--port", str(ours), log=bench.logs / "web.log", LOG_LEVEL="ERROR")
        stack.enter_context(web)
        stack.enter_context(serving(*granian, log=bench.logs / "rival.log", RIVAL_DATABASE=address))
        for port in (ours, theirs):
            await_that(partial(_answers, port), within_s=60)
        yield ours, theirs


def _answers(port: int) -> bool:
    try:
        return call("GET", f"http://127.0.0.1:{port}/health").ok
    except OSError:
        return False


def claims(world: World, number: int) -> Iterator[bytes]:
    """Requests that claim new posts, by one affiliate after the other."""
    for n in islice(_numbers, number):
        yield load.request(
            "POST",
            SUBMIT,
            key=world.keys[n % len(world.keys)],
            body=json.dumps(claim(world, n)).encode(),
            headers=f"Idempotency-Key: {uuid4()}\r\n",
        )


def bulks(world: World, number: int) -> Iterator[bytes]:
    """Requests that claim BULK new posts each."""
    for n in range(number):
        items = [claim(world, each) for each in islice(_numbers, BULK)]
        body = json.dumps({"items": items}).encode()
        yield load.request("POST", IN_BULK, key=world.keys[n % len(world.keys)], body=body)


def claim(world: World, number: int) -> dict[str, object]:
    """What a claim says."""
    return {
        "campaign": str(world.campaign.pk),
        "platform": "youtube",
        "url": f"https://www.youtube.com/watch?v={video(number)}",
        "claimed_views": 10_000 + number % 5_000,
        "title": f"What I eat in a day, part {number}",
    }


def lists(world: World, number: int) -> Iterator[bytes]:
    """Requests for the newest 50 claims, by one affiliate after the other."""
    for n in islice(_numbers, number):
        yield load.request("GET", f"{HISTORY}?page_size=50", key=world.keys[n % len(world.keys)])


def _submissions(bench: Bench, world: World, ours: int, theirs: int) -> None:
    found = _alternate(
        bench, "POST /submissions/", ours, theirs, lambda port: _loaded(port, claims(world, bench.scale.requests), 202)
    )
    _add(bench, "POST /submissions/, 8 connections", found, (at_least(0.4), at_least(0.8)), (at_most(2), at_most(1.3)))


def _bulk(bench: Bench, world: World, port: int) -> None:
    requests = max(CONNECTIONS, bench.scale.requests // 25)
    found = bench.alternate(
        f"bulk of {BULK}",
        {
            "bulk": lambda: BULK * _loaded(port, bulks(world, requests), 200).per_second,
            "single": lambda: _loaded(port, claims(world, bench.scale.requests // 2), 202).per_second,
        },
    )
    what = f"claims/s in bulk of {BULK} to one by one, 8 connections"
    bench.compare(what, found["bulk"], found["single"], "/s", at_least(20))


def _lists(bench: Bench, world: World, ours: int, theirs: int) -> None:
    found = _alternate(
        bench, "a list of 50", ours, theirs, lambda port: _loaded(port, lists(world, bench.scale.requests), 200)
    )
    what = f"list of 50 of {bench.scale.listed_posts:,} posts, 8 connections"
    _add(bench, what, found, (at_least(0.6), at_least(0.9)), (None, None))


def _loaded(port: int, requests: Iterator[bytes], status: int) -> load.Load:
    return load.send(port, iter(list(requests)), connections=CONNECTIONS, status=status)


def _alternate(
    bench: Bench, title: str, ours: int, theirs: int, sent: Callable[[int], load.Load]
) -> dict[str, list[load.Load]]:
    return bench.alternate(title, {"ours": lambda: sent(ours), "rival": lambda: sent(theirs)})


def _add(
    bench: Bench,
    what: str,
    found: dict[str, list[load.Load]],
    rate: tuple[Bound | None, Bound | None],
    p95: tuple[Bound | None, Bound | None],
) -> None:
    ours, theirs = found["ours"], found["rival"]
    bench.compare(
        f"{what}: requests/s", [each.per_second for each in ours], [each.per_second for each in theirs], "/s", *rate
    )
    slowest, slowest_of_theirs = ([each.percentile_ms(95) for each in loads] for loads in (ours, theirs))
    bench.compare(f"{what}: p95", slowest, slowest_of_theirs, " ms", *p95)
