"""The rival does what ours does: the same answers and the same rows to the same requests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection
from rich.progress import Progress

from config import clock
from reconciliation.services import jobs
from reconciliation.services.settling import Answer, settle
from tests.bench import load
from tests.bench.harness import TINY, Bench
from tests.bench.web import HISTORY, SUBMIT, claim, servers
from tests.bench.world import World, add_claims, canned, make_world, video, videos

pytestmark = pytest.mark.django_db(transaction=True)
THEIRS_ALONE = {"id", "claim.id", "claim.claimed_at", "links.self", "links.metrics", "url"}


@pytest.fixture
def world() -> World:
    return make_world(affiliates=3)


@pytest.fixture
def ports(world: World, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Ours and the rival's."""
    with servers(Bench(TINY, Progress(disable=True), tmp_path)) as found:
        yield found


def sent(port: int, request: bytes, status: int) -> Any:
    """The answer's body."""
    [body] = load.send(port, iter([request]), connections=1, status=status, keep_bodies=True).bodies
    return json.loads(body)


def rows() -> dict[str, int]:
    return {model._meta.db_table: model._default_manager.count() for model in apps.get_models()}


def flat(document: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        found |= flat(value, f"{path}{name}.") if isinstance(value, dict) else {f"{path}{name}": value}
    return found


def values(table: str, where: str) -> dict[str, str]:
    """The one row that is meant, its identifiers and moments left out."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(t) FROM {table} t WHERE {where}")
        [[text]] = cursor.fetchall()
    row = json.loads(text) if isinstance(text, str) else text
    hidden = ("id", "_at", "url", "request_id", "title")
    return {name: value for name, value in row.items() if not name.endswith(hidden)}


def test_a_claim_is_answered_and_written_alike(world: World, ports: tuple[int, int]):
    answers, written, added = [], [], []
    for number, port in enumerate(ports):
        before = rows()
        body = claim(world, number) | {"claimed_views": 10_000}
        once = f"Idempotency-Key: {uuid4()}\r\n"
        request = load.request("POST", SUBMIT, key=world.keys[0], body=json.dumps(body).encode(), headers=once)
        answer = sent(port, request, 202)
        assert sent(port, request, 202) == answer
        answers.append({name: value for name, value in flat(answer).items() if name not in THEIRS_ALONE})
        added.append({table: n - before[table] for table, n in rows().items() if n != before[table]})
        post = f"post_id = '{answer['id']}'"
        tables = ("affiliatereport", "job", "poststate")
        written.append([values(f"reconciliation_{table}", post) for table in tables])
        written[-1].append(values("campaigns_post", f"id = '{answer['id']}'"))
    assert answers[0] == answers[1]
    assert added[0] == added[1]
    assert written[0] == written[1]


def test_what_is_not_taken_is_refused_alike(world: World, ports: tuple[int, int]):
    taken = json.dumps(claim(world, 7)).encode()
    sent(ports[0], load.request("POST", SUBMIT, key=world.keys[0], body=taken), 202)
    refused = [
        (world.keys[1], taken, 409),  # somebody else's post
        (world.keys[0], taken, 200),  # once more
        (world.keys[0][:-1] + "0g"[world.keys[0][-1] == "0"], taken, 401),
        (world.keys[0], taken.replace(b'"claimed_views": 10007', b'"claimed_views": "1"'), 400),
        (world.keys[0], taken.replace(b"}", b', "url": ""}'), 400),
    ]
    for key, body, status in refused:
        answers = [sent(port, load.request("POST", SUBMIT, key=key, body=body), status) for port in ports]
        assert answers[0].get("outcome") == answers[1].get("outcome")


def test_a_list_is_the_same_byte_for_byte(world: World, ports: tuple[int, int]):
    add_claims(world, videos(180))
    batch = jobs.lease_batch(connection_id=world.lane.pk, paced=False)
    assert isinstance(batch, jobs.Batch)
    now = clock.now()
    settle(
        batch=batch, answer=Answer(now, {job.post.external_id: canned(job.post.external_id, now) for job in batch.jobs})
    )
    add_claims(world, [video(n) for n in range(180, 200)])
    request = load.request("GET", f"{HISTORY}?page_size=50", key=world.keys[0])
    ours, theirs = (sent(port, request, 200) for port in ports)
    assert ours["next"]
    assert {each["status"] for each in ours["results"]} > {"PENDING"}
    assert ours == theirs
