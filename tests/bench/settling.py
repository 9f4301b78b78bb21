"""Settling: from the lease of a batch to its verdicts, beside the floor and the naive loop. No platform is called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection
from django_q.brokers import get_broker
from django_q.signing import SignedPackage

from config import clock
from config.queue import enqueue
from reconciliation import tasks
from reconciliation.models import Job
from reconciliation.services import draining, rollups
from reconciliation.services.asking import Unanswered
from reconciliation.services.jobs import Batch
from reconciliation.services.settling import Answer
from tests.bench import floor, naive
from tests.bench.harness import Bench, Row, at_least, at_most, copied, copy_database, drop_database, execute, use
from tests.bench.processes import Workers, put_to_work, workers
from tests.bench.world import World, add_claims, canned, make_world, open_budget, videos

NAIVE_PAIRS = 200
CORES = 2


def measure(bench: Bench) -> None:
    """Add the rows of settling, from the smallest number of claims to the largest."""
    paces: dict[int, list[float]] = {}
    with workers(CORES) as pools:
        for pairs in bench.scale.pairs:
            with copied(f"settle{pairs}") as database:
                lane = _prepare(bench, pairs, database)
                paces[pairs] = _compare(bench, pools, pairs, database, lane)
    least, most = bench.scale.pairs[0], bench.scale.pairs[-1]
    bench.compare(f"settle: pairs/s at {most:,} to those at {least:,}", paces[most], paces[least], "/s", at_least(0.8))


@contextmanager
def settled(bench: Bench, posts: int) -> Iterator[World]:
    """A database of its own, in use for the length of a block, with so many posts whose claims have their verdicts.

    It is made once, and copied for whoever needs it.
    """
    if posts not in bench.kept:
        used = connection.settings_dict["NAME"]
        name = f"{used}_kept{posts}"
        copy_database(used, name)
        use(name)
        bench.kept[posts] = name, _settled_world(bench, posts)
        use(used)
    kept, world = bench.kept[posts]
    with copied(f"settled{posts}", kept):
        yield world


def _settled_world(bench: Bench, posts: int) -> World:
    with bench.step(f"{posts:,} settled claims"), workers(CORES) as pools:
        world = make_world()
        open_budget(world)
        add_claims(world, videos(posts))
        execute("ANALYZE")
        put_to_work(pools, settle_all, connection.settings_dict["NAME"], world.lane.pk)
        rollups.compact()
        execute("VACUUM ANALYZE")
    return world


def settle_all(database: str, lane: UUID) -> int:
    """Drain a lane to its end, with canned answers."""
    use(database)
    draining.ask = _answered  # type: ignore[attr-defined]
    settled = 0
    while Job.objects.in_lane(lane).due(clock.now()).exists():
        settled += draining.drain(connection_id=lane, paced=False)
    return settled


def settle_by_queue(database: str, lane: UUID) -> int:
    """The same, where each drain is a task of the queue: taken from it, run, acknowledged."""
    use(database)
    draining.ask = _answered  # type: ignore[attr-defined]
    due = Job.objects.in_lane(lane).due(clock.now()).count()
    broker: Any = get_broker()
    enqueue("reconciliation.tasks.drain_lane", str(lane))
    while Job.objects.in_lane(lane).due(clock.now()).exists():
        for number, payload in broker.dequeue() or []:
            task: Any = SignedPackage.loads(payload)
            if task["func"] == "reconciliation.tasks.drain_lane":
                tasks.drain_lane(*task["args"])
            broker.acknowledge(number)
    return due


def _answered(batch: Batch) -> tuple[Answer, Unanswered, None]:
    now = clock.now()
    return Answer(now, {job.post.external_id: canned(job.post.external_id, now) for job in batch.jobs}), [], None


def _prepare(bench: Bench, pairs: int, database: str) -> UUID:
    """Claims to settle, and beside them what settling them comes to, for the floor to copy."""
    with bench.step(f"{pairs:,} claims, and what they come to"), workers(1) as fresh:
        world = make_world()
        open_budget(world)
        add_claims(world, videos(pairs))
        execute("ANALYZE")
        settled = f"{database}_settled"
        copy_database(database, settled)
        effort = put_to_work(fresh, settle_all, settled, world.lane.pk)
        floor.stage(settled)
        drop_database(settled)
    statements, grown = effort.statements / effort.done, effort.grown_mib
    bench.add(Row(f"statements a pair at {pairs:,}", f"{statements:.4f}", "", statements, at_most(0.02)))
    bench.add(Row(f"memory above start at {pairs:,}, MiB", f"{grown:.0f}", "", grown, at_most(50)))
    return world.lane.pk


def _compare(bench: Bench, pools: Workers, pairs: int, database: str, lane: UUID) -> list[float]:
    contenders: dict[str, tuple[int, Callable[..., int], tuple[object, ...]]] = {
        "floor": (1, floor.write, ()),
        "ours": (1, settle_all, (lane,)),
        "both": (CORES, settle_all, (lane,)),
    }
    if pairs == bench.scale.pairs[0]:
        contenders |= {"queue": (1, settle_by_queue, (lane,)), "naive": (1, naive.settle, (NAIVE_PAIRS,))}
    work = f"{database}_work"

    def take_turn(processes: int, settle: Callable[..., int], args: tuple[object, ...]) -> float:
        copy_database(database, work)
        return put_to_work(pools[:processes], settle, work, *args).per_second

    turns = {name: partial(take_turn, *contender) for name, contender in contenders.items()}
    paces = bench.alternate(f"settle {pairs:,}", turns, warm_up="naive" in turns)
    drop_database(work)
    what = f"settle {pairs:,} pairs"
    bench.compare(f"{what}, one process, to the floor", paces["ours"], paces["floor"], "/s", at_least(0.5))
    bench.compare(
        f"{what}, two processes, to the floor", paces["both"], paces["floor"], "/s", at_least(0.5), at_least(0.9)
    )
    if "naive" in paces:
        bench.compare(f"{what}, one process, to the naive loop", paces["ours"], paces["naive"], "/s")
        bench.compare(f"{what}, by way of the queue, to without", paces["queue"], paces["ours"], "/s", at_least(0.95))
    return paces["ours"]
