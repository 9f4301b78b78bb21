"""How an affiliate does: trust and claims, counted from the posts that somebody may see."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import Greatest

from affiliates.models import Affiliate, User
from affiliates.querysets import AffiliateQuerySet
from campaigns.models import Post
from campaigns.querysets import PostQuerySet
from config import clock
from reconciliation.models import AffiliateReport, ReconciliationLog, TrustEvent
from reconciliation.services import rulesets
from reconciliation.trust import Kind, Trust, TrustDay, course

HISTORY_DAYS = 90
LATEST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Counts:
    """Claims on a platform (a slug; None: on all): how many, how many of them open, and the others by their verdict;
    and the trust that they come to.
    """

    platform: str | None
    claims: int
    open: int
    by_status: dict[str, int]
    by_level: dict[str, int]
    trust: Trust


@dataclass(frozen=True, slots=True)
class Reliance:
    """Trust from the posts that somebody may see: now, by platform (a slug), over the last days, and for what reasons.

    `overall_score` is the affiliate's score from all of their posts, None before anything counts. `reasons` are the
    latest outcomes that count, the newest first. `history` begins after the day `since`, when the score was
    `score_before`, None where nothing counted until then.
    """

    trust: Trust
    by_platform: dict[str, Trust]
    overall_score: Decimal | None
    since: date
    score_before: Decimal | None
    history: Sequence[TrustDay]
    reasons: Sequence[TrustEvent]


@dataclass(frozen=True, slots=True)
class Performance:
    """What `performance` found."""

    affiliate: Affiliate
    reliance: Reliance
    claims: Counts
    platforms: list[Counts]

    @property
    def latest_change(self) -> TrustEvent | None:
        """The newest outcome that counts for trust, None before the first."""
        return next(iter(self.reliance.reasons), None)


def known_to(user: User | AnonymousUser) -> AffiliateQuerySet:
    """The affiliates that somebody has to do with: for staff all, for affiliates themselves, and for advertisers'
    people those who have a post in a campaign of theirs.
    """
    in_own_campaigns = Exists(Post.objects.visible_to(user).filter(affiliate=OuterRef("pk")))
    visible = Affiliate.objects.visible_to(user).values("pk")
    found: AffiliateQuerySet = Affiliate.objects.filter(Q(pk__in=visible) | in_own_campaigns).select_related("trust")
    return found


def performance(*, affiliate: Affiliate, posts: PostQuerySet) -> Performance:
    """From all of an affiliate's posts: the trust that their score is kept at. From some: what those alone say."""
    ids = posts.order_by().values("pk")
    found = reliance(affiliate=affiliate, posts=posts)
    verdicts = ReconciliationLog.objects.counted().filter(post__in=ids).order_by()
    columns = ("post__platform__slug", "outcome_status", "outcome_level")
    judged = verdicts.with_outcome().values_list(*columns).annotate(n=Count("pk"))
    waiting = AffiliateReport.objects.open().filter(post__in=ids).order_by().values_list("post__platform__slug")
    words = Counter({tuple(key): n for *key, n in judged})
    still_open = Counter(dict(waiting.annotate(n=Count("pk"))))
    platforms = sorted({platform for platform, _, _ in words} | set(still_open))
    nothing = Trust(found.trust.policy, {})
    return Performance(
        affiliate=affiliate,
        reliance=found,
        claims=_counts(None, words, still_open, found.trust),
        platforms=[_counts(each, words, still_open, found.by_platform.get(each, nothing)) for each in platforms],
    )


def reliance(*, affiliate: Affiliate, posts: PostQuerySet) -> Reliance:
    """Trust from these posts of an affiliate's: each content once a day, by its latest outcome."""
    policy = rulesets.policy_of(rulesets.current())
    outcomes = TrustEvent.objects.filter(post__in=posts.order_by().values("pk")).counting()
    since = clock.now().astimezone(UTC).date() - timedelta(days=HISTORY_DAYS)
    overall: Counter[Kind] = Counter()
    platforms: dict[str, Counter[Kind]] = defaultdict(Counter)
    days: dict[date, Counter[Kind]] = defaultdict(Counter)
    groups = outcomes.order_by().values_list("platform__slug", "kind", Greatest("day", since)).annotate(n=Count("pk"))
    for platform, kind, day, number in groups:
        for counts in (overall, platforms[platform], days[day]):
            counts[Kind(kind)] += number
    earlier = days.pop(since, Counter())
    kept = getattr(affiliate, "trust", None)
    return Reliance(
        trust=Trust(policy, overall),
        by_platform={platform: Trust(policy, counts) for platform, counts in sorted(platforms.items())},
        overall_score=kept.trust_score if kept and kept.total_submissions else None,
        since=since,
        score_before=policy.score(earlier) if earlier else None,
        history=course(earlier, days, policy),
        reasons=list(outcomes.explained().order_by("-created_at", "-id")[:LATEST_REASONS]),
    )


def _counts(platform: str | None, words: Counter[tuple[str, ...]], still_open: Counter[str], trust: Trust) -> Counts:
    by_status: Counter[str] = Counter()
    by_level: Counter[str] = Counter()
    for (slug, status, level), n in words.items():
        if platform in (None, slug):
            by_status[status] += n
            if level:
                by_level[level] += n
    waiting = still_open.total() if platform is None else still_open[platform]
    return Counts(platform, by_status.total() + waiting, waiting, dict(by_status), dict(by_level), trust)
