"""How long every endpoint that reads and every page takes, with many posts behind it."""

from collections.abc import Iterator
from itertools import cycle, islice

from django.test import Client

from affiliates.models import User
from campaigns.models import Post
from tests.bench import load
from tests.bench.harness import Bench, Row, at_most
from tests.bench.world import World
from tests.config.api_world import WORDS, documented

CONNECTIONS = 8
SLOWEST = 12


def measure(bench: Bench, world: World, port: int) -> None:
    """Add the row of the slowest, and list it with those that follow."""
    asked = dict([*_api(world), *_pages(world)])
    number = max(CONNECTIONS, bench.scale.requests // 6)
    task = bench.progress.add_task("endpoints", total=len(asked))
    found = []
    for name, requests in asked.items():
        try:
            load.send(port, islice(cycle(requests), CONNECTIONS), connections=CONNECTIONS, status=200)
            loaded = load.send(port, islice(cycle(requests), number), connections=CONNECTIONS, status=200)
        except load.UnexpectedAnswerError as error:
            error.add_note(name)
            raise
        found.append((loaded.percentile_ms(95), loaded.percentile_ms(50), name))
        bench.progress.advance(task)
    found.sort(reverse=True)
    p95, _, name = found[0]
    what = f"slowest of {len(found)} endpoints and pages at {bench.scale.listed_posts:,} posts, 8 connections: p95"
    bench.add(Row(what, f"{p95:,.0f} ms ({name})", "", p95, at_most(200)))
    heading = f"The slowest endpoints and pages, {bench.scale.listed_posts:,} posts, 8 connections"
    bench.listings[heading] = [
        f"`{name}`: p95 {p95:,.0f} ms, median {p50:,.0f} ms" for p95, p50, name in found[:SLOWEST]
    ]


def _api(world: World) -> Iterator[tuple[str, list[bytes]]]:
    """What can be read where this world has something: by a manager, else by an affiliate, else by staff. Files of
    whole lists are left out."""
    post = judged(world)
    known = WORDS | {
        "affiliate_id": str(post.affiliate_id),
        "post_id": str(post.pk),
        "campaign_id": str(world.campaign.pk),
        "result_id": str(post.state.counted_verdict_id),
    }
    keys = {
        "manager": world.manager_keys,
        "affiliate": [world.keys[world.affiliates.index(post.affiliate)]],
        "staff": world.staff_keys,
    }
    for row in documented():
        if row.method != "GET" or "/exports/" in row.path:
            continue
        try:
            path = row.path.format(**known)
        except KeyError:
            continue  # nothing of that kind is there
        caller = next((role for role in keys if row.allows(role)), None)
        if caller:
            yield f"GET {row.path}", [load.request("GET", path, key=key) for key in keys[caller]]


def _pages(world: World) -> Iterator[tuple[str, list[bytes]]]:
    """The dashboard's, by a manager, and an affiliate's own."""
    post = judged(world)
    manager, affiliate = _session(world.managers[0]), _session(post.affiliate.user)
    for name, path in pages(world, post).items():
        yield f"page: {name}", [load.request("GET", path, headers=manager)]
    yield "page: own posts", [load.request("GET", "/", headers=affiliate)]


def pages(world: World, post: Post) -> dict[str, str]:
    """The dashboard's pages, by name."""
    campaign = f"/campaigns/{world.campaign.pk}/"
    return {
        "campaigns": "/",
        "campaign": campaign,
        "campaign, high only": f"{campaign}?status=high",
        "campaign, costliest first": f"{campaign}?sort=-money",
        "campaign, searched": f"{campaign}?q=part+77",
        "campaign, page 20": f"{campaign}?page=20",
        "discrepancies": "/discrepancies/",
        "post": f"/posts/{post.pk}/",
    }


def judged(world: World) -> Post:
    """The newest post that has its verdict."""
    judged = Post.objects.filter(campaign=world.campaign, state__counted_verdict__isnull=False)
    post: Post = judged.select_related("affiliate__user", "state").latest("created_at")
    return post


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"Cookie: sessionid={client.cookies['sessionid'].value}\r\n"
