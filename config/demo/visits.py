"""What comes through tracking links in the demo's world: visits, robots among them, and what visitors buy.

In campaigns with a landing page some affiliates get a link before they first publish. People come through it before
the first claim; then each claim names what was counted, or, of a dishonest affiliate, more clicks than that. One sale
is taken back when everything has been claimed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from random import Random

from config.demo.cast import AffiliatePlan, CampaignPlan, Character
from platforms.sandbox.world import WorldPost
from reconciliation.comparison import Figures

LINKS = 10
"""So many affiliates have a link."""
SETTLED_FOR = timedelta(days=2)
"""A sale is taken back, and looked at, so long before the story's end."""
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
ROBOTS = ("facebookexternalhit/1.1", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody or something follows a link. `bought` is what a person then pays, None where nothing."""

    at: datetime
    address: str
    agent: str
    bought: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PlannedLink:
    """An affiliate's link, made at `at`; what comes through it before the first claim, made at `claimed_at`."""

    at: datetime
    claimed_at: datetime
    affiliate: AffiliatePlan
    campaign: CampaignPlan
    platform: str
    visits: Sequence[Visit]
    claimed: Figures
    reversed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an affiliate publishes for a campaign, with the first post there and the first and last claims."""

    affiliate: AffiliatePlan
    campaign: CampaignPlan
    post: WorldPost
    first_at: datetime
    last_at: datetime


def links(places: Iterable[Place], *, end: datetime, rng: Random) -> list[PlannedLink]:
    """Links for some of the places, one for each affiliate, in order of the first claims."""
    of_affiliate: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        if place.campaign.landing_url and place.affiliate.character is not Character.CARELESS:
            of_affiliate[place.affiliate.name].append(place)
    chosen = [rng.choice(theirs) for _, theirs in islice(sorted(of_affiliate.items()), LINKS)]
    chosen.sort(key=lambda place: (place.first_at, place.affiliate.name))
    planned = [_link(place, rng) for place in chosen]
    for number, place in enumerate(chosen):
        taken_back_at = place.last_at + timedelta(hours=8)
        if planned[number].claimed.conversions and taken_back_at < end - SETTLED_FOR:
            planned[number] = replace(planned[number], reversed_at=taken_back_at)
            break
    return planned


def _link(place: Place, rng: Random) -> PlannedLink:
    published_at = place.post.published_at
    persons = rng.randrange(12, 41)
    buyers = round(persons * rng.uniform(0.05, 0.2))
    moments = sorted(published_at + (place.first_at - published_at) * rng.random() for _ in range(persons))
    network = rng.randrange(256)
    visits = [
        Visit(
            at,
            f"198.51.{network}.{number + 1}",
            BROWSER.format(rng.randrange(120, 142)),
            Decimal(rng.randrange(1_200, 8_000)) / 100 if number < buyers else None,
        )
        for number, at in enumerate(moments)
    ]
    visits += [replace(visit, bought=None) for visit in rng.sample(visits, persons // 6)]
    visits += [Visit(published_at, "192.0.2.1", robot) for robot in ROBOTS]
    boast = rng.uniform(1.4, 2) if place.affiliate.character is Character.DISHONEST else 1
    return PlannedLink(
        at=published_at - timedelta(hours=1),
        claimed_at=place.first_at,
        affiliate=place.affiliate,
        campaign=place.campaign,
        platform=place.post.platform,
        visits=visits,
        claimed=Figures(clicks=round(persons * boast), conversions=buyers),
    )
