"""Rows to measure on, as many as are wanted: made by the database itself, and as the services would have made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from affiliates import keys
from affiliates.models import Affiliate, ApiKey, User
from campaigns.models import Campaign, Enrolment
from config import clock
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.models import Connection, Platform
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services.jobs import request_looks
from tests.bench.harness import execute
from tests.factories import CampaignFactory, MembershipFactory, UserFactory

CHUNK = 10_000
OTHERS = 20
"""Managers and staff: so many that none of them meets the throttle either."""


@dataclass(frozen=True, slots=True)
class World:
    """Who is there: one open campaign with its managers, and affiliates that are enrolled in it. All have a key."""

    campaign: Campaign
    affiliates: list[Affiliate]
    keys: list[str]
    managers: list[User]
    manager_keys: list[str]
    staff_keys: list[str]
    platform: Platform
    lane: Connection


def make_world(affiliates: int = 400) -> World:
    """People enough that none of them meets the API's throttle."""
    campaign = CampaignFactory(starts_on=clock.now().date() - timedelta(days=200))
    people = User.objects.bulk_create([User(email=f"bench{n}@example.com", password="!") for n in range(affiliates)])
    theirs = Affiliate.objects.bulk_create([Affiliate(user=user, name=user.email) for user in people])
    Enrolment.objects.bulk_create([Enrolment(campaign=campaign, affiliate=affiliate) for affiliate in theirs])
    managers = [MembershipFactory(advertiser=campaign.advertiser).user for _ in range(OTHERS)]
    staff: list[User] = [UserFactory.create(is_staff=True) for _ in range(OTHERS)]
    platform = Platform.objects.get(slug="youtube")
    lane = Connection.objects.get(platform=platform, affiliate=None, livemode=True)
    return World(campaign, theirs, make_keys(people), managers, make_keys(managers), make_keys(staff), platform, lane)


def make_keys(users: list[User]) -> list[str]:
    """A key for everything, for each of these; their texts in the same order."""
    made = [keys.generate(livemode=True) for _ in users]
    ApiKey.objects.bulk_create(
        ApiKey(user=user, prefix=key.prefix, digest=key.digest, last4=key.last4, scopes=list(keys.SCOPES))
        for user, key in zip(users, made, strict=True)
    )
    return [key.text for key in made]


def video(number: int) -> str:
    """The id of a made-up video."""
    return f"b{number:010d}"


def videos(number: int) -> list[str]:
    """The ids of so many."""
    return [video(n) for n in range(number)]


def add_claims(world: World, videos: Sequence[str]) -> None:
    """A post with one claim and one due look for each of these YouTube ids, turn by turn for the affiliates.

    They were claimed one after the other in the last twenty days, and are due in that order.
    """
    execute(
        """
        CREATE TEMPORARY TABLE fresh AS
        SELECT n, uuidv7() AS post, uuidv7() AS claim, video,
            (%(affiliates)s::uuid[])[1 + n %% %(people)s] AS affiliate,
            %(now)s::timestamptz - interval '1 minute' - interval '20 days' * (1 - n / %(count)s::float) AS at
        FROM unnest(%(videos)s::text[]) WITH ORDINALITY AS given (video, n)
        """,
        {
            "affiliates": [affiliate.pk for affiliate in world.affiliates],
            "people": len(world.affiliates),
            "now": clock.now(),
            "videos": videos,
            "count": len(videos),
        },
    )
    execute(
        """
        INSERT INTO campaigns_post (id, created_at, campaign_id, affiliate_id, platform_id, external_id, url, short_url,
            is_identified, author_id, ownership, is_reconciled)
        SELECT post, at, %s, affiliate, %s, video, 'https://www.youtube.com/watch?v=' || video, '', true, '', 'unknown',
            false
        FROM fresh ORDER BY n
        """,
        [world.campaign.pk, world.platform.pk],
    )
    execute(
        """
        INSERT INTO campaigns_posttext (post_id, title, description, author_handle)
        SELECT post, 'What I eat in a day, part ' || n, '', '' FROM fresh ORDER BY n
        """
    )
    execute(
        """
        INSERT INTO reconciliation_affiliatereport (id, created_at, post_id, claimed_views, submission_method,
            claimed_at, request_id)
        SELECT claim, at, post, 10000 + n % 5000, 'api', at, md5(n::text) FROM fresh ORDER BY n
        """
    )
    execute("DROP TABLE fresh")
    claims = AffiliateReport.objects.filter(post__state=None).order_by("id").values_list("post", "pk")
    while some := dict(claims[:CHUNK]):
        with transaction.atomic():
            request_looks(
                posts=dict.fromkeys(some, True), reason=Job.Reason.SUBMISSION, due_at=clock.now(), request_id="bench"
            )
            PostState.objects.write_claims(some)


def open_budget(world: World) -> None:
    """Let the platform be called as often as anybody likes."""
    Platform.objects.filter(pk=world.platform.pk).update(
        config={"rate_calls": 10**6, "rate_window_s": 1, "daily_quota": 10**9}
    )


def canned(external_id: str, now: datetime) -> PostReading:
    """What the platform would say of a fixture's post: of a hundred claims some twelve are over-claimed, and two more
    are too early to tell."""
    number = int(external_id[1:])
    claimed = 10_000 + number % 5_000
    share, age = _TRUTH.get(number % 100, (1.1, _OLD))
    views, posted_at = int(claimed * share), now - age
    channel = f"UCbench{number % 400:017d}"
    return PostReading(
        external_id=external_id,
        availability=Availability.LIVE,
        metrics=UnifiedMetrics(views=views, likes=views // 30, comments=views // 400),
        posted_at=posted_at,
        author_id=channel,
        author_handle=f"bowls{number % 400}",
        title=f"What I eat in a day, part {number}",
        raw={
            "kind": "youtube#video",
            "id": external_id,
            "snippet": {
                "publishedAt": posted_at.isoformat(),
                "channelId": channel,
                "title": f"What I eat in a day, part {number}",
                "description": "Everything is linked below. " * 4,
                "channelTitle": "Bowls and more",
                "categoryId": "26",
            },
            "statistics": {"viewCount": str(views), "likeCount": str(views // 30), "commentCount": str(views // 400)},
            "status": {"privacyStatus": "public", "embeddable": True},
        },
    )


_OLD, _YOUNG = timedelta(days=9), timedelta(hours=5)
_TRUTH = {
    **dict.fromkeys(range(4), (0.97, _OLD)),
    **dict.fromkeys(range(4, 8), (0.9, _OLD)),
    **dict.fromkeys(range(8, 12), (0.6, _OLD)),
    **dict.fromkeys(range(12, 14), (0.6, _YOUNG)),
}
