"""Whatever happens in whatever order, what always holds of the data holds after each step, and no claim is lost.

Steps are the services' own, on a real database, under a clock that only this moves. What a platform says is made up,
and goes through the real settling. A crash is a lease that nobody comes back for, or comes back for too late.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Q
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from affiliates.models import Affiliate
from alerts import services as alert_services
from alerts.models import Alert
from campaigns.models import Campaign, CampaignPlatform, Post
from config import clock
from config.demo.seeding import run_queued_tasks
from config.errors import DomainError
from config.progress import progress
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.models import Account, Platform
from reconciliation.comparison import Figures
from reconciliation.models import AffiliateReport, Job, Run
from reconciliation.services import jobs, owning, plans, runs, submission, withdrawing
from reconciliation.services.jobs import Batch
from reconciliation.services.settling import Answer, settle
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory
from tests.invariants import broken
from tests.reconciliation.support import lane_of

PEOPLE, CAMPAIGNS, CONTENTS = 3, 2, 5
SPANS = [timedelta(**span) for span in ({"seconds": 2}, {"minutes": 1}, {"hours": 5}, {"hours": 25}, {"days": 4})]
MANY = 1_000
LONGEST = timedelta(days=40)
"""By then the last look at whatever was claimed is due."""

a_person, a_campaign, a_content = (st.integers(0, number - 1) for number in (PEOPLE, CAMPAIGNS, CONTENTS))
views = st.none() | st.sampled_from([0, 49, 104, 106, 121, 10**12, 2**53 - 1])
figures = st.builds(Figures, views=views, clicks=st.none() | st.just(3)).filter(lambda figures: figures != Figures())


@dataclass(frozen=True)
class Truth:
    """What the platform says of a content from now on."""

    availability: Availability = Availability.LIVE
    views: int | None = 100
    deleted: bool = False
    age: timedelta = timedelta(days=30)


truths = st.builds(
    Truth,
    availability=st.sampled_from(Availability),
    views=st.sampled_from([None, 0, 99, 100, 101, 10**6]),
    deleted=st.booleans(),
    age=st.sampled_from([timedelta(hours=1), timedelta(days=30)]),
)


def external_id(content: int) -> str:
    return f"content{content:04d}"


class AnyOrder(RuleBasedStateMachine):
    """Three affiliates claim five contents in two campaigns; workers look at them, and die."""

    people: list[Affiliate]
    campaigns: list[Campaign]

    @initialize()
    def begin(self) -> None:
        self.kept = transaction.atomic()
        self.kept.__enter__()
        clock.set(TODAY)
        self.youtube = Platform.objects.get(slug="youtube")
        self.people = [AffiliateFactory() for _ in range(PEOPLE)]
        self.campaigns = [CampaignFactory(allows_shared_content=n > 0) for n in range(CAMPAIGNS)]
        self.staff = UserFactory(is_staff=True)
        self.truth = {external_id(content): Truth() for content in range(CONTENTS)}
        self.api_ids: dict[str, str] = {}
        self.held: list[tuple[Batch, Answer | None]] = []
        self.claimed: set[UUID] = set()

    def teardown(self) -> None:
        try:
            if hasattr(self, "kept"):
                self._recover()
        finally:
            if hasattr(self, "kept"):
                transaction.set_rollback(True)
                self.kept.__exit__(None, None, None)
            clock.set(None)

    # --- Claims

    @rule(who=a_person, campaign=a_campaign, content=a_content, figures=figures)
    def submit(self, who: int, campaign: int, content: int, figures: Figures) -> None:
        url = f"https://www.youtube.com/watch?v={external_id(content)}"
        with self._a_moment_later(), _refusals():
            taken = submission.submit(
                affiliate=self.people[who],
                campaign=self.campaigns[campaign],
                platform=self.youtube,
                url=url,
                figures=figures,
            )
            self.claimed.add(taken.claim.pk)

    @precondition(lambda self: self.claimed)
    @rule(data=st.data(), figures=figures)
    def claim_again(self, data: st.DataObject, figures: Figures) -> None:
        with self._a_moment_later(), _refusals():
            taken = submission.claim_again(post=self._some_post(data), figures=figures)
            self.claimed.add(taken.claim.pk)

    # --- Looks

    @rule(asks=st.booleans())
    def lease(self, asks: bool) -> None:
        with self._a_moment_later():
            batch = jobs.lease_batch(connection_id=lane_of("youtube").pk if asks else None, paced=False)
        if isinstance(batch, Batch):
            self.held.append((batch, None))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        number = self._some_held(data)
        batch, _ = self.held[number]
        with self._a_moment_later():
            self.held[number] = (batch, self._answer(batch))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), keeps=st.booleans())
    def settle(self, data: st.DataObject, keeps: bool) -> None:
        """Who keeps the batch may settle it again."""
        number = self._some_held(data)
        batch, answer = self.held[number]
        if answer:
            with self._a_moment_later():
                settle(batch=batch, answer=answer)
        if not keeps:
            del self.held[number]

    @precondition(lambda self: self.held)
    @rule(data=st.data(), counts=st.booleans())
    def give_back(self, data: st.DataObject, counts: bool) -> None:
        batch, _ = self.held.pop(self._some_held(data))
        with self._a_moment_later():
            jobs.give_back(batch=batch, error="unavailable: 503", counts=counts)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        del self.held[self._some_held(data)]

    @rule()
    def sweep(self) -> None:
        with self._a_moment_later():
            jobs.sweep()

    @rule()
    def use_up_attempts(self) -> None:
        Job.objects.filter(state="due").update(attempts=jobs.MAX_ATTEMPTS - 1)

    @rule()
    def retry_the_dead(self) -> None:
        with self._a_moment_later(), _refusals():
            dead = Job.objects.filter(state="dead").values_list("pk", flat=True)
            jobs.retry_dead(job_ids=list(dead), by=self.staff)

    @precondition(lambda self: self.claimed)
    @rule()
    def ask_for_a_run(self) -> None:
        with self._a_moment_later(), _refusals():
            runs.request_run(posts=Post.objects.all(), by=self.staff, scope={})

    @precondition(lambda self: Run.objects.filter(cancelled_at=None).exists())
    @rule()
    def cancel_a_run(self) -> None:
        with self._a_moment_later(), _refusals():
            run: Run = Run.objects.filter(cancelled_at=None).order_by("-created_at")[0]
            withdrawing.cancel_run(run=run, by=self.staff)

    @rule()
    def discard_the_dead(self) -> None:
        with self._a_moment_later():
            dead = Job.objects.filter(state="dead").values_list("pk", flat=True)
            withdrawing.discard_dead(job_ids=list(dead), reason="Nobody knows.", by=self.staff)

    @rule(campaign=a_campaign, plan=st.sampled_from(["never", "1h 24h", "6h daily"]))
    def plan(self, campaign: int, plan: str) -> None:
        here = {"campaign": self.campaigns[campaign], "platform": self.youtube}
        CampaignPlatform.objects.filter(**here).update(recheck_plan=plan)
        plans.plan_anew(campaign_id=here["campaign"].pk, platform_id=self.youtube.pk)

    # --- The world

    @rule(span=st.sampled_from(SPANS))
    def wait(self, span: timedelta) -> None:
        """The workers sweep every second, and so once at least."""
        with self._a_moment_later(span):
            jobs.sweep()

    @rule(content=a_content, truth=truths)
    def revise(self, content: int, truth: Truth) -> None:
        self.truth[external_id(content)] = truth

    @rule(content=a_content, newer=a_content)
    def edit(self, content: int, newer: int) -> None:
        """The platform tells from now on that one of the contents is an older edition of another."""
        self.api_ids[external_id(content)] = external_id(newer)

    @rule(who=a_person, content=a_content)
    def prove(self, who: int, content: int) -> None:
        owner, author = self.people[who], f"author of {external_id(content)}"
        if not Account.objects.filter(external_id=author).exists():
            Account.objects.create(
                affiliate=owner, platform=self.youtube, handle=f"@{content}", external_id=author, proven_at=clock.now()
            )
            owning.recheck_ownership(affiliate_id=owner.pk, platform_id=self.youtube.pk, livemode=True)

    # --- What follows

    @rule()
    def work_off_the_queue(self) -> None:
        with self._a_moment_later():
            run_queued_tasks()

    @precondition(lambda self: Alert.objects.active().exists())
    @rule(resolves=st.booleans())
    def decide(self, resolves: bool) -> None:
        alert: Alert = Alert.objects.active().order_by("pk")[0]
        with self._a_moment_later(), _refusals():
            if resolves:
                alert_services.resolve(alert_id=alert.pk, by=self.staff, note="Talked to them.")
            else:
                alert_services.acknowledge(alert_id=alert.pk, by=self.staff)

    # --- What always holds

    @invariant()
    def nothing_is_broken(self) -> None:
        assert broken() == {}

    @invariant()
    def no_claim_is_lost(self) -> None:
        assert self.claimed <= set(AffiliateReport.objects.values_list("pk", flat=True))

    def _recover(self) -> None:
        """Healthy workers go on for as long as anything may take: each claim has its last word then."""
        self.held.clear()
        end = clock.now() + LONGEST
        while clock.now() < end:
            clock.set(min(end, self._next_due()) + timedelta(seconds=jobs.LEASE_S + 1))
            jobs.retry_dead(job_ids=list(Job.objects.filter(state="dead").values_list("pk", flat=True)))
            jobs.sweep()
            for lane in (None, lane_of("youtube").pk):
                while isinstance(batch := jobs.lease_batch(connection_id=lane, paced=False), Batch):
                    settle(batch=batch, answer=self._answer(batch))
            run_queued_tasks()
            if not self._unjudged().exists():
                break
        alert_services.open_forgotten()
        assert not self._unjudged().exists(), _told(self._unjudged())
        assert broken(soon=True) == {}

    def _unjudged(self) -> Any:
        """Claims that may still have a last word: for those that gave way, and where staff gave up, nobody looks."""
        given_up = Job.objects.filter(state="discarded").values("post")
        waiting = Job.objects.exclude(state__in=("done", "discarded")).values("post")
        claims = AffiliateReport.objects.open().filter(post__displaced_at=None)
        return claims.filter(Q(post__in=waiting) | ~Q(post__in=given_up))

    def _next_due(self) -> Any:
        due = Job.objects.pending().order_by("due_at").values_list("due_at", flat=True).first()
        return max(clock.now(), due) if due else clock.now()

    # --- Helpers

    @contextmanager
    def _a_moment_later(self, span: timedelta = timedelta(milliseconds=3)) -> Iterator[None]:
        clock.set(clock.now() + span)
        yield

    def _some_held(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, len(self.held) - 1))

    def _some_post(self, data: st.DataObject) -> Post:
        posts = list(Post.objects.select_related("platform", "campaign", "affiliate").order_by("created_at", "pk"))
        post: Post = posts[data.draw(st.integers(0, len(posts) - 1))]
        return post

    def _answer(self, batch: Batch) -> Answer:
        now = clock.now()
        if batch.connection is None:
            return Answer(now, None)
        asked = {job.post.external_id for job in batch.jobs}
        return Answer(
            now, {each: self._reading(each) for each in asked}, {each: self.api_ids.get(each) for each in asked}
        )

    def _reading(self, content: str) -> PostReading:
        truth = self.truth[content]
        if truth.availability != Availability.LIVE:
            return PostReading(content, truth.availability, deleted=truth.deleted)
        return PostReading(
            content,
            truth.availability,
            UnifiedMetrics(views=truth.views),
            posted_at=TODAY - truth.age,
            author_id=f"author of {content}",
        )


def _told(claims: Any) -> str:
    """How the jobs of these claims' posts stand."""
    rows = Job.objects.filter(post__affiliate_reports__in=claims).values_list("state", "reason", "due_at", "last_error")
    return f"at {clock.now()}: {list(claims.values('claimed_at', 'post__merged_into', 'post'))}, {list(rows)}"


@contextmanager
def _refusals() -> Iterator[None]:
    """To be refused is an ordinary answer, and changes nothing."""
    try:
        with transaction.atomic():
            yield
    except DomainError:
        pass


QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, report_multiple_bugs=False)


UNSHRUNK = [Phase.explicit, Phase.reuse, Phase.generate]
"""Shrinking takes minutes: the long form does it."""


@pytest.mark.django_db
@pytest.mark.usefixtures("sandbox")
def test_whatever_the_order_of_things():
    run_state_machine_as_test(
        AnyOrder, settings=settings(QUIET, max_examples=15, stateful_step_count=20, phases=UNSHRUNK)
    )


@pytest.mark.chaos
@pytest.mark.django_db
@pytest.mark.usefixtures("sandbox")
def test_whatever_the_order_of_many_things(monkeypatch):
    begun, begin = count(1), AnyOrder.begin
    with progress("Orders of things", MANY) as show:

        def begin_and_say_so(machine: AnyOrder) -> None:
            show(next(begun))
            begin(machine)

        monkeypatch.setattr(AnyOrder, "begin", initialize()(begin_and_say_so))
        run_state_machine_as_test(AnyOrder, settings=settings(QUIET, max_examples=MANY, stateful_step_count=50))
