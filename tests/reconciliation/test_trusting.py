"""Kept trust: always what a recount gives, whatever the order and grouping, decisions and policies in between."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.models import Post
from config import clock
from platforms.models import Platform
from reconciliation.errors import RulesRefusedError
from reconciliation.models import (
    AffiliateReport,
    PlatformReport,
    PlatformTrust,
    ReconciliationLog,
    TrustEvent,
    TrustScore,
)
from reconciliation.services import draining, rulesets, trusting
from reconciliation.services.settling import settle
from reconciliation.trust import ACCURATE, KINDS, Kind, Outcome, tally
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.invariants import broken
from tests.reconciliation.support import leased
from tests.reconciliation.test_races import wait_for_a_waiter
from tests.reconciliation.test_rollups import undone

POSTS, CLAIMS_A_POST = 5, 3
EVENTS = {"policy": "events", "start": "0.4", "deltas": {"HIGH": "-0.3"}}


class World:
    """Posts of two affiliates on two platforms, two of one content, with claims that are settled in any order."""

    def __init__(self) -> None:
        self.campaign = CampaignFactory()
        affiliates = [AffiliateFactory(), AffiliateFactory()]
        platforms = list(Platform.objects.order_by("slug")[:2])
        self.posts = Post.objects.bulk_create(
            Post(
                campaign=self.campaign,
                affiliate=affiliates[n // 3],
                platform=platforms[0 if n < 2 else n % 2],
                external_id=str(n),
                url=f"https://example.com/{n}",
            )
            for n in range(POSTS)
        )
        Post.objects.filter(pk=self.posts[1].pk).update(merged_into=self.posts[0])
        self.posts[1].merged_into = self.posts[0]
        self.verdicts = [self._verdict(post) for post in self.posts for _ in range(CLAIMS_A_POST)]
        self.settled: list[ReconciliationLog] = []

    def _verdict(self, post: Post) -> ReconciliationLog:
        return ReconciliationLog.objects.create(
            affiliate_report=AffiliateReport.objects.create(post=post, claimed_views=1, claimed_at=TODAY),
            platform_report=PlatformReport.objects.create(post=post, fetched_at=TODAY),
            post=post,
            ruleset=rulesets.current(),
            status="MATCHED",
            confidence=1,
            explanation="",
            trust_effect="ACCURATE",
            currency="USD",
            processed_at=TODAY,
        )

    def settle(self, outcomes: list[tuple[int, int, Kind]]) -> None:
        """Of these claims, each made so many hours ago, in one batch."""
        new = []
        for number, hours, kind in outcomes:
            verdict = self.verdicts[number]
            if verdict in self.settled:
                continue
            self.settled.append(verdict)
            claimed_at = TODAY - timedelta(hours=hours)
            event = TrustEvent.objects.create(
                verdict=verdict,
                affiliate_id=verdict.post.affiliate_id,
                post=verdict.post,
                platform_id=verdict.post.platform_id,
                day=claimed_at.date(),
                claimed_at=claimed_at,
                claim_id=verdict.affiliate_report_id,
                effect=effect_of(kind),
                kind=kind,
            )
            content_id = verdict.post.merged_into_id or verdict.post_id
            new.append(trusting.NewEvent(event.affiliate_id, content_id, event.day, event.claim_id))
        if new:
            trusting.count_in(new)

    def decide(self, number: int, kind: Kind) -> None:
        verdict = self.verdicts[number]
        level = kind.value if kind in (Kind.LOW, Kind.MEDIUM, Kind.HIGH) else None
        trusting.count_decision(verdict=verdict, status=kind.value, level=level, effect=effect_of(kind))

    def rules(self, trust: dict[str, Any]) -> None:
        rulesets.save_version(trust=trust, by=None)


def effect_of(kind: Kind) -> str:
    return "NONE" if kind is Kind.NONE else "ACCURATE" if kind in ACCURATE else "INACCURATE"


def kept() -> dict[Any, Any]:
    """What is stored: by affiliate the score and the counts, by affiliate and platform the counts. No row: none."""
    scores = {each.pk: (each.trust_score, each.counts) for each in TrustScore.objects.all()}
    shares = {(each.trust_id, each.platform_id): each.counts for each in PlatformTrust.objects.all()}
    return scores | {key: counts for key, counts in shares.items() if any(counts.values())}


def computed() -> dict[Any, Any]:
    """The same from all trust events, by the pure rules."""
    policy, found = rulesets.policy_of(rulesets.current()), {}
    events = list(TrustEvent.objects.select_related("post"))
    for affiliate_id in {event.affiliate_id for event in events}:
        shares: dict[Any, Counter[Kind]] = {}
        for (platform_id, kind), number in tally(
            Outcome(
                each.post.merged_into_id or each.post_id,
                each.platform_id,
                each.day,
                each.claimed_at,
                each.claim_id,
                each.number,
                Kind(each.kind),
            )
            for each in events
            if each.affiliate_id == affiliate_id
        ).items():
            shares.setdefault(platform_id, Counter())[kind] += number
        counts: dict[Kind, int] = {kind: sum(share[kind] for share in shares.values()) for kind in KINDS}
        found[affiliate_id] = (policy.score(counts), counts)
        found |= {(affiliate_id, pk): {kind: share[kind] for kind in KINDS} for pk, share in shares.items()}
    return found


KIND = st.sampled_from(Kind)
CLAIM = st.integers(0, POSTS * CLAIMS_A_POST - 1)
STEPS = st.one_of(
    st.tuples(st.just("settle"), st.lists(st.tuples(CLAIM, st.integers(0, 40), KIND), min_size=1, max_size=6)),
    st.tuples(st.just("settle"), st.lists(st.tuples(CLAIM, st.integers(0, 40), KIND), min_size=1, max_size=6)),
    st.tuples(st.just("decide"), CLAIM, KIND),
    st.tuples(st.just("rules"), st.sampled_from([{}, EVENTS, {"policy": "events"}])),
)


@pytest.mark.django_db
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=1, max_size=10))
def test_after_each_step_trust_is_what_a_recount_gives(steps):
    with undone():
        world = World()
        for name, *how in steps:
            getattr(world, name)(*how)
            assert kept() == computed()
        before = kept()
        trusting.recount([post.affiliate_id for post in world.posts if post.affiliate_id in before])
        assert kept() == before


@pytest.mark.django_db
def test_a_recount_mends_what_is_wrong():
    world = World()
    world.settle([(0, 0, Kind.MATCHED), (6, 0, Kind.HIGH), (7, 30, Kind.LOW)])
    before = kept()
    TrustScore.objects.update(matched=7, trust_score="0.1")
    PlatformTrust.objects.update(high=9)
    trusting.recount([world.posts[0].affiliate_id])
    assert kept() == before == computed()


@pytest.mark.django_db
def test_the_last_decision_counts_as_if_it_had_been_so_from_the_start():
    world = World()
    world.settle([(0, 0, Kind.HIGH), (1, 3, Kind.MATCHED)])
    affiliate = world.posts[0].affiliate
    assert affiliate.trust.counts[Kind.HIGH] == 1
    for kind in (Kind.LOW, Kind.NONE, Kind.MATCHED):
        world.decide(0, kind)
    affiliate.trust.refresh_from_db()
    assert {kind: n for kind, n in affiliate.trust.counts.items() if n} == {Kind.MATCHED: 1}
    assert list(TrustEvent.objects.filter(verdict=world.verdicts[0]).order_by("number").values_list("kind")) == [
        ("HIGH",), ("LOW",), ("NONE",), ("MATCHED",)
    ]  # fmt: skip
    # Of an earlier claim of the same day nothing counts, whoever decided what.
    world.decide(1, Kind.HIGH)
    affiliate.trust.refresh_from_db()
    assert affiliate.trust.counts[Kind.HIGH] == 0


@pytest.mark.django_db
def test_what_has_no_effect_on_trust_is_not_decided_into_it():
    world = World()
    world.decide(0, Kind.HIGH)  # in test mode a verdict has no trust event
    assert not TrustEvent.objects.exists()
    assert not TrustScore.objects.exists()


@pytest.mark.django_db
def test_a_kind_has_its_effect_and_a_verdict_its_own_word_once():
    world = World()
    world.settle([(0, 0, Kind.HIGH)])
    [event] = TrustEvent.objects.values()
    for change in ({"effect": "ACCURATE"}, {"kind": "NONE"}, {"number": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            TrustEvent.objects.create(**{**event, "number": 1, **change, "id": world.posts[0].pk})


# --- Policies


@pytest.mark.django_db
def test_another_policy_moves_all_scores_and_a_change_of_limits_none():
    world = World()
    world.settle([(0, 0, Kind.MATCHED), (6, 0, Kind.HIGH), (12, 0, Kind.MATCHED)])
    mixed, honest = (world.posts[n].affiliate.trust for n in (0, 4))
    assert (mixed.trust_score, honest.trust_score) == (Decimal("0.5"), 1)
    version = rulesets.save_version(trust=EVENTS, by=None)
    mixed.refresh_from_db()
    honest.refresh_from_db()
    assert (mixed.trust_score, honest.trust_score) == (Decimal("0.12"), Decimal("0.42"))
    assert rulesets.save_version(trust=EVENTS, by=None) == version
    with clock.at(TODAY + timedelta(days=1)):
        rulesets.save_version(quality={"burst": {"weight": "off"}}, by=None)
    changed_at = honest.updated_at
    honest.refresh_from_db()
    assert (rulesets.current().trust, honest.updated_at) == (EVENTS, changed_at)


@pytest.mark.django_db
def test_settings_that_make_no_sense_change_nothing():
    with pytest.raises(RulesRefusedError) as refused:
        rulesets.save_version(trust={"deltas": {"HIGH": "0.1"}}, by=None)
    assert refused.value.field == "trust.deltas.HIGH"
    assert rulesets.current().version == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("today")
def test_who_settles_while_the_policy_changes_goes_by_the_one_that_holds_in_the_end(claim, world_post, sandbox):
    """One settled before and one begins meanwhile, both for affiliates who had no score yet."""
    campaign = CampaignFactory()
    for index in range(2):
        post = world_post("x", index)
        claim(AffiliateFactory(), campaign, post, post.figures_at(TODAY).views)
        if index == 0:
            first = leased("x")
    second = leased("x")
    first_answer, second_answer = (draining.ask(batch)[0] for batch in (first, second))

    def apart(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            assert settle(batch=first, answer=first_answer) == 1
            saving = pool.submit(apart, lambda: rulesets.save_version(trust=EVENTS, by=None))
            wait_for_a_waiter()
            settling = pool.submit(apart, lambda: settle(batch=second, answer=second_answer))
        assert (saving.result(timeout=20).version, settling.result(timeout=20)) == (2, 1)
    assert list(TrustScore.objects.values_list("trust_score", flat=True)) == [Decimal("0.42")] * 2
    assert broken() == {}
