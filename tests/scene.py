"""One advertiser's campaign in which every verdict occurs, made by the real flow. Pages are looked at with it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

from affiliates.models import Affiliate, User
from alerts import services as alert_services
from alerts.models import Alert
from campaigns.models import Advertiser, Campaign, Membership, Post
from platforms.models import Platform
from platforms.sandbox.world import Series, World, WorldPost
from reconciliation.comparison import Figures
from reconciliation.models import ReconciliationLog
from reconciliation.services import submission
from tests.factories import (
    TODAY,
    AdvertiserFactory,
    AffiliateFactory,
    BrandFactory,
    CampaignFactory,
    MarketFactory,
    MembershipFactory,
    UserFactory,
)


@dataclass
class Scene:
    """Northwind's campaign Autumn Bowls, with its people; Charlie manages another advertiser's."""

    advertiser: Advertiser
    campaign: Campaign
    manager: User
    analyst: User
    viewer: User
    charlie: User
    staff: User
    mila: Affiliate
    anders: Affiliate
    posts: dict[str, Post] = field(default_factory=dict)

    def submit(self, post: WorldPost, title: str, affiliate: Affiliate | None = None, **figures: int) -> Post:
        """A claim of Mila's, unless it is somebody else's."""
        return submission.submit(
            affiliate=affiliate or self.mila,
            campaign=self.campaign,
            platform=Platform.objects.get(slug=post.platform),
            url=post.url,
            figures=Figures(**figures),
            title=title,
        ).post

    def open_alerts(self) -> list[Alert]:
        """What the queue would do with the verdicts there are; the worst alert first."""
        ids = list(ReconciliationLog.objects.counted().values_list("pk", flat=True))
        alert_services.open_for_verdicts(verdict_ids=ids)
        return list(Alert.objects.worst_first())


def member(advertiser: Advertiser, role: Membership.Role, name: str) -> User:
    """One of an advertiser's people."""
    user = UserFactory(email=f"{name.split()[0].lower()}@example.com", name=name)
    MembershipFactory(advertiser=advertiser, user=user, role=role)
    return user


def empty_scene() -> Scene:
    """The people and the campaign, without a post."""
    northwind = AdvertiserFactory(name="Northwind Foods", time_zone="America/New_York")
    brand = BrandFactory(advertiser=northwind, code="NWB", name="Northwind")
    market = MarketFactory(code="US", country="United States")
    return Scene(
        advertiser=northwind,
        campaign=CampaignFactory(advertiser=northwind, brand=brand, market=market, campaign_name="Autumn Bowls"),
        manager=member(northwind, Membership.Role.MANAGER, "Alice Manager"),
        analyst=member(northwind, Membership.Role.ANALYST, "Ann Analyst"),
        viewer=member(northwind, Membership.Role.VIEWER, "Bob Viewer"),
        charlie=member(AdvertiserFactory(name="Helio"), Membership.Role.MANAGER, "Charlie Other"),
        staff=UserFactory(email="staff@example.com", name="Sam Staff", is_staff=True),
        mila=AffiliateFactory(name="Mila Ortega", user=UserFactory(email="mila@example.com")),
        anders=AffiliateFactory(name="Anders Vik"),
    )


def full_scene(world: World, drain_all: Callable[[], int]) -> Scene:
    """A post for every verdict, named after it; the clock stands at TODAY."""
    scene = empty_scene()
    even = [world.post("youtube", Series.EVEN, index) for index in range(6)]
    young = _young_post(world)
    missing = replace(even[0], url="https://www.youtube.com/watch?v=AAAAAAAAAAA")
    reddit = world.post("reddit", Series.EVEN, 0)
    claims: list[tuple[str, WorldPost, dict[str, Any]]] = [
        ("matched", even[0], {"views": _times(even[0], 0.5)}),
        ("low", even[1], {"views": _times(even[1], 1.02)}),
        ("medium", even[2], {"views": _times(even[2], 1.1), "affiliate": scene.anders}),
        ("high", even[3], {"views": _times(even[3], 2)}),
        ("too_early", young, {"views": 10_000_000}),
        ("unverifiable", reddit, {"views": 900}),
        ("post_missing", missing, {"views": 700}),
        ("clicks", even[4], {"clicks": 12}),
    ]
    for name, post, figures in claims:
        scene.posts[name] = scene.submit(post, f"The {name} post", **figures)
    drain_all()
    scene.posts["pending"] = scene.submit(even[5], "The pending post", views=5_000)
    return scene


@cache
def _young_post(world: World) -> WorldPost:
    """One whose public count may lag still; looking for it takes a second."""
    return world.published_between("youtube", TODAY - timedelta(hours=20), TODAY, 1)[0]


def _times(post: WorldPost, factor: float) -> int:
    assert post.final.views is not None
    return round(post.final.views * factor)
