"""`var/demo.json`: how to come in, and posts that nobody has claimed yet.

The posts are of the sandbox's series whose figures never move; those of EVEN have at least 10,000 views, divisible by
20. All are for open, active campaigns of the advertiser whose manager and viewer are listed. The `affiliate` that is
listed apart may log in to the web, and connect its `accounts` at /connections/ by the handles that stand there.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any

from campaigns.models import Campaign, CampaignPlatform
from config.demo.cast import ADVERTISERS, GUEST, OWNERS_ONLY, STAFF
from config.demo.seeding import Login
from platforms.sandbox import words
from platforms.sandbox.world import Series, World

HOST = ADVERTISERS[0]
FREE_POSTS = (
    ("youtube", Series.EVEN, 100),
    ("youtube", Series.ARCHIVE, 350),
    ("reddit", Series.ARCHIVE, 220),
    ("x", Series.EVEN, 60),
    ("x", Series.ARCHIVE, 160),
)
LIVE_POST = ("youtube", Series.EVEN, 100)
"""The first post after those that are handed out: the demo claims it itself."""


def handout(
    *, logins: Mapping[str, Login], keys: Mapping[str, str], world: World, base_url: str, sandbox_url: str
) -> dict[str, Any]:
    """What `var/demo.json` holds after a seeding. The first campaigns are those that the posts are for."""
    people = {"staff": STAFF} | {person.role: person for person in HOST.people if person.role != "analyst"}
    campaigns = sorted(
        Campaign.objects.select_related("advertiser").prefetch_related("campaign_platforms__platform"),
        key=lambda each: (not _takes_posts(each), each.advertiser.name != HOST.name, each.campaign_name),
    )
    return {
        "base_url": base_url,
        "sandbox_url": sandbox_url,
        **{role: asdict(logins[person.email]) for role, person in people.items()},
        "affiliate": {"name": GUEST.name, **asdict(logins[GUEST.email]), "accounts": _accounts()},
        "affiliates": [{"name": name, "api_key": key} for name, key in keys.items()],
        "campaigns": [
            {"id": str(each.pk), "name": each.campaign_name, "platforms": _platforms(each)} for each in campaigns
        ],
        "posts": list(_posts(world, [each for each in campaigns if _takes_posts(each)])),
    }


def write_private(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON that only this user may read; whoever waits for the file finds it whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    half.replace(path)


def _accounts() -> dict[str, str]:
    """The handles of the guest's accounts that are not connected, by platform."""
    return {slug: words.handle(slug, GUEST.author) for slug in OWNERS_ONLY if GUEST.posts_on(slug)}


def _takes_posts(campaign: Campaign) -> bool:
    is_hosts = campaign.advertiser.name == HOST.name
    return is_hosts and campaign.is_open and campaign.status == Campaign.Status.ACTIVE


def _platforms(campaign: Campaign) -> list[str]:
    open_ones: Iterator[CampaignPlatform] = (each for each in campaign.campaign_platforms.all() if not each.closed_at)
    return sorted(each.platform.slug for each in open_ones)


def _posts(world: World, campaigns: list[Campaign]) -> Iterator[dict[str, str]]:
    for platform, series, count in FREE_POSTS:
        in_turn = cycle([str(each.pk) for each in campaigns if platform in _platforms(each)])
        for index in range(count):
            post = world.post(platform, series, index)
            yield {"platform": platform, "url": post.url, "campaign_id": next(in_turn)}
