"""How an affiliate does: trust and claims, counted from the posts that somebody may see."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Q

from affiliates.models import Affiliate
from campaigns.querysets import PostQuerySet
from reconciliation.comparison import TrustEffect
from reconciliation.models import AffiliateReport, ReconciliationLog, TrustEvent
from reconciliation.trust import Trust, score


@dataclass(frozen=True, slots=True)
class Counts:
    """Claims on a platform (a slug; None: on all): how many, how many of them open, and the others by their verdict."""

    platform: str | None
    claims: int
    open: int
    by_status: dict[str, int]
    by_level: dict[str, int]


@dataclass(frozen=True, slots=True)
class Performance:
    """What `performance` found. `latest_change` is the newest outcome that counts for trust, None before the first."""

    affiliate: Affiliate
    trust: Trust
    claims: Counts
    platforms: list[Counts]
    latest_change: TrustEvent | None


def performance(*, affiliate: Affiliate, posts: PostQuerySet) -> Performance:
    """From all of an affiliate's posts: the trust that their score is kept at. From some: what those alone say."""
    ids = posts.order_by().values("pk")
    latest = TrustEvent.objects.filter(post__in=ids)
    latest = latest.order_by("post_id", "day", "-claimed_at", "-claim_id").distinct("post_id", "day")
    outcomes = TrustEvent.objects.filter(pk__in=latest.values("pk")).exclude(effect=TrustEffect.NONE.value)
    trust = outcomes.aggregate(total=Count("pk"), accurate=Count("pk", filter=Q(effect=TrustEffect.ACCURATE.value)))
    verdicts = ReconciliationLog.objects.counted().filter(post__in=ids).order_by()
    judged = verdicts.values_list("post__platform__slug", "status", "discrepancy_level").annotate(n=Count("pk"))
    waiting = AffiliateReport.objects.open().filter(post__in=ids).order_by().values_list("post__platform__slug")
    words = Counter({tuple(key): n for *key, n in judged})
    still_open = Counter(dict(waiting.annotate(n=Count("pk"))))
    platforms = sorted({platform for platform, _, _ in words} | set(still_open))
    return Performance(
        affiliate=affiliate,
        trust=Trust(score(**trust), trust["total"], trust["accurate"]),
        claims=_counts(None, words, still_open),
        platforms=[_counts(platform, words, still_open) for platform in platforms],
        latest_change=outcomes.select_related("verdict").order_by("-created_at", "-id").first(),
    )


def _counts(platform: str | None, words: Counter[tuple[str, ...]], still_open: Counter[str]) -> Counts:
    by_status: Counter[str] = Counter()
    by_level: Counter[str] = Counter()
    for (slug, status, level), n in words.items():
        if platform in (None, slug):
            by_status[status] += n
            if level:
                by_level[level] += n
    waiting = still_open.total() if platform is None else still_open[platform]
    return Counts(platform, by_status.total() + waiting, waiting, dict(by_status), dict(by_level))
