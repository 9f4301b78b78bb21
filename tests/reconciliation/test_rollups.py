"""Roll-ups say what a full recount says: after every write, whoever writes at the same time, folded or not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.models import Advertiser, Post
from config import clock
from config.counts import MAX_COUNT
from platforms.models import Platform
from reconciliation import tasks
from reconciliation.models import (
    AffiliateReport,
    AffiliateRollUp,
    DayRollUp,
    PlatformReport,
    PostState,
    ReconciliationLog,
)
from reconciliation.querysets import Looked
from reconciliation.services import draining, rollups, rulesets
from reconciliation.services.settling import found, settle
from reconciliation.sums import WORDS
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.reconciliation.support import leased
from tests.reconciliation.test_races import together, wait_for_a_waiter

POSTS = 4
FIGURES = st.one_of(st.none(), st.integers(0, 9), st.just(MAX_COUNT))
NUMBERS = st.integers(0, POSTS - 1)
STEPS = st.one_of(
    st.tuples(st.just("claim"), st.lists(NUMBERS, min_size=1, unique=True), FIGURES, st.integers(0, 72)),
    st.tuples(
        st.just("judge"),
        st.lists(NUMBERS, min_size=1, unique=True),
        st.sampled_from(sorted({*WORDS} - {"pending", "withdrawn"})),
        st.one_of(st.none(), st.integers(-9, 9)),
        st.one_of(st.none(), st.decimals(0, 99, places=2)),
    ),
    st.tuples(st.just("displace"), NUMBERS, st.booleans()),
    st.tuples(st.just("merge"), NUMBERS, st.booleans()),
    st.tuples(st.just("move"), st.sampled_from(["UTC", "America/New_York", "Pacific/Auckland"])),
    st.tuples(st.just("compact")),
)


@pytest.fixture(autouse=True, scope="module")
def _folds_whatever_there_is() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollups, "WORTH_FOLDING", 1)
        yield


class World:
    """Some posts of two campaigns and two affiliates, written as services write them."""

    def __init__(self) -> None:
        first = CampaignFactory()
        campaigns = [first, CampaignFactory(advertiser=first.advertiser)]
        affiliates = [AffiliateFactory(), AffiliateFactory()]
        platforms = list(Platform.objects.order_by("slug")[:2])
        self.posts = Post.objects.bulk_create(
            Post(
                campaign=campaigns[n % 2],
                affiliate=affiliates[n // 2],
                platform=platforms[n % 2],
                external_id=str(n),
                url=f"https://example.com/{n}",
            )
            for n in range(POSTS)
        )
        self.ruleset = rulesets.current()
        self.claim(range(POSTS), 5, 0)

    def claim(self, numbers: Any, views: int | None, hours: int) -> None:
        claims = AffiliateReport.objects.bulk_create(
            AffiliateReport(
                post=self.posts[n],
                claimed_views=views,
                claimed_clicks=1,
                claimed_at=TODAY - timedelta(hours=hours),
            )
            for n in numbers
        )
        PostState.objects.write_claims({claim.post_id: claim.pk for claim in claims})

    def judge(self, numbers: Any, word: str, difference: int | None, money: Decimal | None) -> None:
        looks = []
        is_over = word in ("high", "medium", "low")
        for n in numbers:
            state = PostState.objects.select_related("current_claim").get(post=self.posts[n])
            snapshot = PlatformReport.objects.create(post=self.posts[n], fetched_at=TODAY)
            has_views = state.current_claim.claimed_views is not None
            verdict = ReconciliationLog.objects.create(
                affiliate_report=state.current_claim,
                platform_report=snapshot,
                post=self.posts[n],
                ruleset=self.ruleset,
                status="DISCREPANCY" if is_over else word.upper(),
                discrepancy_level=word.upper() if is_over else None,
                views_discrepancy=difference if has_views else None,
                confidence=1,
                explanation="",
                trust_effect="NONE",
                money_at_risk=money if is_over else None,
                currency="USD" if n else "EUR",
                next_look_at=TODAY,
                processed_at=TODAY,
            )
            looks.append(Looked(self.posts[n].pk, verdict.pk, None, snapshot.pk, TODAY, None))
        PostState.objects.write_looks(looks)

    def displace(self, n: int, is_gone: bool) -> None:
        Post.objects.filter(pk=self.posts[n].pk).update(displaced_at=TODAY if is_gone else None)

    def merge(self, n: int, is_gone: bool) -> None:
        into = self.posts[(n + 1) % POSTS]
        Post.objects.filter(pk=self.posts[n].pk).update(merged_into=into if is_gone else None)

    def move(self, time_zone: str) -> None:
        Advertiser.objects.filter(campaigns=self.posts[0].campaign_id).update(time_zone=time_zone)

    def compact(self) -> None:
        rollups.compact()
        for table in (DayRollUp, AffiliateRollUp):
            keys = list(table.objects.values_list(*table.objects.all().key))
            assert len(keys) == len(set(keys))
            assert not table.objects.filter(post_count=0).exists()


@contextmanager
def undone() -> Iterator[None]:
    """What is written within is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=1, max_size=12))
def test_after_each_step_the_roll_ups_are_what_a_recount_finds(steps):
    with undone():
        world = World()
        for name, *how in steps:
            getattr(world, name)(*how)
            assert rollups.differences() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE reconciliation_dayrollup SET claimed_sum = claimed_sum + 1",
        "DELETE FROM reconciliation_affiliaterollup",
        "INSERT INTO reconciliation_dayrollup "
        "SELECT (jsonb_populate_record(row, jsonb_build_object('id', -id))).* FROM reconciliation_dayrollup AS row",
        "UPDATE reconciliation_poststate SET claimed_on = claimed_on - 1",
        "UPDATE reconciliation_poststate SET is_standing = false",
    ],
)
def test_a_recount_finds_what_is_wrong(damage):
    World()
    with connection.cursor() as cursor:
        cursor.execute(damage)
    assert rollups.differences()
    assert len(rollups.differences(limit=1)) <= 3  # of each table


@pytest.mark.django_db
def test_what_services_write_is_rolled_up(scene):
    assert rollups.differences() == []
    tasks.sweep()
    assert rollups.differences() == []
    assert not DayRollUp.objects.filter(is_folded=False).exists()
    assert not AffiliateRollUp.objects.filter(is_folded=False).exists()


@pytest.mark.django_db(transaction=True)
def test_claims_in_one_campaign_do_not_wait_for_each_other(today, claim, world_post):
    campaign, affiliates = CampaignFactory(), [AffiliateFactory(), AffiliateFactory()]
    is_written, may_end = threading.Event(), threading.Event()

    def slow() -> None:
        with clock.at(TODAY), transaction.atomic():
            claim(affiliates[0], campaign, world_post("x", 1), 10)
            is_written.set()
            assert may_end.wait(timeout=20)

    def other() -> None:
        assert is_written.wait(timeout=20)
        try:
            with clock.at(TODAY):
                claim(affiliates[1], campaign, world_post("x", 2), 10)
            rollups.compact()
        finally:
            may_end.set()

    assert together(slow, other) == [None, None]
    assert DayRollUp.objects.filter(campaign=campaign).totals()["posts"] == 2
    assert rollups.differences() == []


@pytest.mark.django_db(transaction=True)
def test_whoever_writes_folds_and_reads_at_once_finds_the_sums_whole(today, claim, world_post, drain_all):
    campaign, affiliates = CampaignFactory(), [AffiliateFactory() for _ in range(3)]
    worlds = [[world_post("youtube", 100 * n + m) for m in range(6)] for n in range(3)]
    is_over = threading.Event()
    seen: list[Any] = []

    def submit(n: int) -> Any:
        def run() -> None:
            for views in (1_000, 2_000_000, 30):
                for world in worlds[n]:
                    with clock.at(TODAY):
                        claim(affiliates[n], campaign, world, views)

        return run

    def settle() -> None:
        while not is_over.is_set():
            with clock.at(TODAY):
                drain_all()

    def fold() -> None:
        while not is_over.is_set():
            rollups.compact()

    def read() -> None:
        while not is_over.is_set():
            seen.append(rollups.differences())

    def submit_all() -> list[Any]:
        try:
            return together(*(submit(n) for n in range(3)))
        finally:
            is_over.set()

    assert together(submit_all, settle, settle, fold, fold, read) == [[None] * 3, None, None, None, None, None]
    assert len(seen) > 1
    assert not any(seen)
    with clock.at(TODAY):
        while drain_all():
            pass
    assert DayRollUp.objects.filter(campaign=campaign).totals()["posts"] == 18
    assert DayRollUp.objects.filter(campaign=campaign).totals()["pending"] == 0
    assert rollups.differences() == []


@pytest.mark.django_db(transaction=True)
def test_an_advertiser_moves_while_its_posts_are_looked_at(today, claim, world_post, sandbox, monkeypatch):
    campaign = CampaignFactory()
    claim(AffiliateFactory(), campaign, world_post(), 1)
    batch = leased()
    answer, *_ = draining.ask(batch)
    open_claims, is_locked = found.open_claims, threading.Event()

    def once_somebody_waits(post_ids):
        is_locked.set()
        wait_for_a_waiter()
        return open_claims(post_ids)

    def move() -> None:
        is_locked.wait(timeout=20)
        Advertiser.objects.filter(campaigns=campaign).update(time_zone="Pacific/Kiritimati")

    monkeypatch.setattr(found, "open_claims", once_somebody_waits)
    assert together(lambda: settle(batch=batch, answer=answer), move) == [1, None]
    assert PostState.objects.get().claimed_on == (TODAY + timedelta(hours=14)).date()
    assert rollups.differences() == []


@pytest.mark.django_db
def test_a_few_increments_are_not_worth_folding(today, monkeypatch):
    World()
    increments = [table.objects.filter(is_folded=False).count() for table in (DayRollUp, AffiliateRollUp)]
    monkeypatch.setattr(rollups, "WORTH_FOLDING", max(increments) + 1)
    assert rollups.compact() == 0
    monkeypatch.setattr(rollups, "WORTH_FOLDING", min(increments))
    assert rollups.compact() == sum(increments)


@pytest.mark.django_db
def test_folding_takes_the_oldest_increments_and_leaves_the_sums(today):
    world = World()
    world.judge(range(POSTS), "matched", 0, None)
    before = DayRollUp.objects.all().totals()
    assert DayRollUp.objects.fold(1) >= 1
    assert DayRollUp.objects.filter(is_folded=False).exists()
    assert DayRollUp.objects.all().totals() == before
    assert rollups.differences() == []


@pytest.mark.django_db
def test_sums_hold_more_than_any_figure(today):
    world = World()
    claims = [MAX_COUNT] * 1_100
    posts = Post.objects.bulk_create(
        Post(
            campaign=world.posts[0].campaign,
            affiliate=world.posts[0].affiliate,
            platform=world.posts[0].platform,
            external_id=f"more {n}",
            url=f"https://example.com/more/{n}",
        )
        for n in range(len(claims))
    )
    world.posts = posts
    world.claim(range(len(claims)), MAX_COUNT, 0)
    rollups.compact()
    assert DayRollUp.objects.filter(campaign=posts[0].campaign_id).totals()["claimed_views"] == sum(claims) + 10
    assert rollups.differences() == []


@pytest.mark.django_db
def test_a_word_goes_with_its_verdict():
    World()
    with pytest.raises(IntegrityError, match="state_word_has_its_verdict"), transaction.atomic():
        PostState.objects.update(verdict="matched")
