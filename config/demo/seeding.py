"""The story happens: people, campaigns and claims go through the real services, under a moved clock.

A database is seeded from empty to finished, or not at all: audit events say when a seeding began and that it finished,
so that one that was interrupted can be told from somebody's data, dropped, and begun anew.

No worker runs meanwhile. What the services queue is done here, in the order in which a worker would come to it: the
looks of all lanes first, then whatever else was queued.
"""

import hashlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from uuid import UUID

from django.db import connection, transaction
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from affiliates.models import Affiliate, AuditEvent, User
from affiliates.services import audit, create_key, sign_up
from alerts import services as alerting
from alerts.models import Alert
from campaigns import services as campaigning
from campaigns.models import Advertiser, Brand, Campaign, Conversion, Enrolment, Market, Membership, Post
from campaigns.tracking import clicks
from campaigns.tracking.conversions import Postback, take_postback
from campaigns.tracking.keys import create_postback_key
from campaigns.tracking.links import make_link
from config import clock
from config.demo.cast import ADVERTISERS, AFFILIATES, GUEST, MARKETS, NOTES, OWNERS, STAFF, CampaignPlan, PersonPlan
from config.demo.sandbox import SandboxControl, SandboxError
from config.demo.story import CLAIM_WINDOW_DAYS, Account, Move, PlannedClaim, Session, Story, day
from config.demo.visits import PlannedLink
from config.errors import DomainError
from platforms import oauth
from platforms.models import Connection, Platform
from platforms.services import connecting
from reconciliation.errors import SecondClaimantError
from reconciliation.models import Job
from reconciliation.services import draining, submission

DRAIN_TASK = "reconciliation.tasks.drain_lane"
BEGUN, FINISHED = "demo.seeding_begun", "demo.seeded"
CHANGES = {Move.ACTIVATE: campaigning.activate, Move.PAUSE: campaigning.pause, Move.COMPLETE: campaigning.complete}
TRIAGE_EVERY = 4
"""Sessions from one look at the alerts to the next: a day."""
ALERTS_REST_FOR = timedelta(hours=6)
BACK = "http://127.0.0.1/connections/{}/callback"
"""Where people are sent back to from a platform. Nobody goes there: the code in the address is all that is needed."""


def run_queued_tasks() -> None:
    """Do here what a worker would: each distinct task that is queued, once, until the queue is empty.

    Lanes are not drained: that has been done, and a worker's way of it waits between calls for a clock that stands.
    """
    while queued := list(OrmQ.objects.order_by("pk")):
        OrmQ.objects.filter(pk__in=[row.pk for row in queued]).delete()
        for name, args in dict.fromkeys((row.task["func"], row.task["args"]) for row in queued):
            if name != DRAIN_TASK:
                import_string(name)(*args)


class Contents(StrEnum):
    """What a database holds."""

    NOTHING = "nothing"
    HALF_A_STORY = "half a story"
    A_STORY = "a story"
    SOMETHING_ELSE = "something else"


def contents() -> Contents:
    """What the database holds now."""
    events = set(AuditEvent.objects.filter(action__in=[BEGUN, FINISHED]).values_list("action", flat=True))
    if events:
        return Contents.A_STORY if FINISHED in events else Contents.HALF_A_STORY
    return Contents.SOMETHING_ELSE if User.objects.exists() else Contents.NOTHING


@dataclass(frozen=True, slots=True)
class Login:
    """How a person comes in, and a program on their behalf."""

    email: str
    password: str
    api_key: str


class Seeding:
    """One seeding, from an empty database to the story's last moment. Afterwards `logins` has the ways in of people,
    by e-mail, and `keys` the API keys of affiliates, by name: the database holds digests only.
    """

    def __init__(self, story: Story, sandbox: SandboxControl, seed: int) -> None:
        self.logins: dict[str, Login] = {}
        self.keys: dict[str, str] = {}
        self._story = story
        self._sandbox = sandbox
        self._rng = Random(f"{seed}:decisions")
        self._moves = iter(story.moves)
        self._next_move = next(self._moves, None)
        self._accounts = iter(story.connected)
        self._next_account = next(self._accounts, None)
        self._withdrawn = story.withdrawn
        self._links = deque(story.links)
        self._to_reverse: list[tuple[datetime, Campaign, Postback]] = []
        self._platforms = {platform.slug: platform for platform in Platform.objects.all()}
        self._affiliates: dict[str, Affiliate] = {}
        self._campaigns: dict[str, Campaign] = {}
        self._posts: dict[str, Post] = {}
        self._advertisers: dict[str, Advertiser] = {}
        self._managers: dict[str, User] = {}

    def run(self, on_session: Callable[[Session], None]) -> None:
        """Let it happen; `on_session` is told of each session that is over. The clock runs again afterwards.

        Raises SandboxError, OSError.
        """
        try:
            clock.set(self._story.start - timedelta(days=90))
            with connection.cursor() as cursor:
                # A seeding that a power cut ends is begun anew, so nobody needs to wait for the disk.
                cursor.execute("SET synchronous_commit TO off")
            with transaction.atomic():
                self._staff = self._person(STAFF)
                audit(actor=None, action=BEGUN, row=self._staff)
            self._people()
            for number, session in enumerate(self._story.sessions, start=1):
                self._campaigns_until(session.at)
                self._accounts_until(session.at)
                self._links_until(session.at)
                for claim in session.claims:
                    self._claim(claim)
                with self._what_is_withdrawn_by(session.at):
                    self._look(session.at)
                if number % TRIAGE_EVERY == 0:
                    self._triage()
                on_session(session)
            if self._failed_looks():
                raise SandboxError("The sandbox failed at the last looks. Seed again.")
            clock.set(None)
            audit(actor=None, action=FINISHED, row=self._staff)
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")  # or the first pages are planned for empty tables
        finally:
            clock.set(None)
            self._sandbox.set_clock(None)
            self._sandbox.reset()

    # --- People and campaigns

    def _people(self) -> None:
        for code, (country, region) in MARKETS.items():
            campaigning.create_market(by=self._staff, code=code, country=country, region=region)
        for plan in ADVERTISERS:
            advertiser = Advertiser.objects.create(name=plan.name, time_zone=plan.time_zone)
            for code, name in plan.brands.items():
                campaigning.create_brand(by=self._staff, advertiser=advertiser, code=code, name=name)
            for person in plan.people:
                self._member(advertiser, person)
            self._advertisers[plan.name] = advertiser
        for days, affiliate in enumerate(AFFILIATES):
            clock.set(self._story.start - timedelta(days=60 - days))
            password = secrets.token_urlsafe(9) if affiliate is GUEST else None
            self._affiliates[affiliate.name], key = sign_up(
                name=affiliate.name, email=affiliate.email, by=self._staff, open_to_all=False, password=password
            )
            self.keys[affiliate.name] = key
            if password:
                self.logins[affiliate.email] = Login(affiliate.email, password, key)

    def _member(self, advertiser: Advertiser, person: PersonPlan) -> None:
        user = self._person(person)
        Membership.objects.create(advertiser=advertiser, user=user, role=person.role)
        if person.role == Membership.Role.MANAGER:
            self._managers[advertiser.name] = user

    def _person(self, person: PersonPlan) -> User:
        password = secrets.token_urlsafe(9)
        create = User.objects.create_superuser if person is STAFF else User.objects.create_user
        user = create(person.email, password, name=person.name)
        _, key = create_key(user=user, by=user, name="Demo", scopes=person.scopes)
        self.logins[person.email] = Login(person.email, password, key)
        return user

    def _campaigns_until(self, moment: datetime) -> None:
        while self._next_move and self._next_move[0] <= moment:
            at, move, plan = self._next_move
            clock.set(at)
            advertiser = self._advertisers[OWNERS[plan.title].name]
            by = self._managers[advertiser.name]
            if move is Move.CREATE:
                campaign = self._create_campaign(plan, advertiser, by)
            else:
                campaign = CHANGES[move](campaign=self._campaigns[plan.title], by=by)
            campaign.advertiser = advertiser  # asked for its day with every claim
            self._campaigns[plan.title] = campaign
            self._next_move = next(self._moves, None)

    def _create_campaign(self, plan: CampaignPlan, advertiser: Advertiser, by: User) -> Campaign:
        campaign = campaigning.create_campaign(
            by=by,
            advertiser=advertiser,
            brand=Brand.objects.get(code=plan.brand),
            market=Market.objects.get(code=plan.market),
            campaign_name=plan.title,
            starts_on=day(self._story.end, plan.starts_d).date(),
            ends_on=day(self._story.end, plan.ends_d).date(),
            platforms=[
                # A look by plan would fall due at any time; the story says itself when something happens.
                campaigning.PlatformTerms(self._platforms[slug], rates, "never")
                for slug, rates in plan.rates.items()
            ],
            currency=OWNERS[plan.title].currency,
            budget=Decimal(plan.budget),
            is_open=plan.is_open,
            requires_proof=plan.requires_proof,
            claim_window_days=CLAIM_WINDOW_DAYS,
            landing_url=plan.landing_url,
        )
        if plan.landing_url:
            create_postback_key(campaign=campaign, by=by)
        if not plan.is_open:
            Enrolment.objects.bulk_create(
                Enrolment(campaign=campaign, affiliate=self._affiliates[each.name], status=Enrolment.Status.INVITED)
                for each in AFFILIATES
                if each.topic in plan.topics
            )
        return campaign

    # --- Accounts

    def _accounts_until(self, moment: datetime) -> None:
        while self._next_account and self._next_account.at <= moment:
            self._connect(self._next_account)
            self._next_account = next(self._accounts, None)

    def _connect(self, account: Account) -> None:
        """By the way that a person goes: to the platform, where they allow it, and back with a code."""
        clock.set(account.at)
        self._sandbox.set_clock(account.at)
        affiliate, platform = self._affiliates[account.affiliate.name], self._platforms[account.platform]
        redirect_uri, verifier = BACK.format(platform.slug), secrets.token_urlsafe(64)
        try:
            client = connecting.client_for(platform, livemode=True)
            address = oauth.authorize_url(
                client, redirect_uri=redirect_uri, state=secrets.token_urlsafe(32), verifier=verifier
            )
            connecting.connect_by_oauth(
                affiliate=affiliate,
                platform=platform,
                livemode=True,
                code=self._sandbox.allow(address, account.handle),
                redirect_uri=redirect_uri,
                verifier=verifier,
                by=affiliate.user,
            )
        except DomainError as error:
            raise SandboxError(f"{account.handle} could not be connected: {error.message}") from error

    @contextmanager
    def _what_is_withdrawn_by(self, moment: datetime) -> Iterator[None]:
        """Somebody takes back what they allowed, so that the next call with it is refused and its lane parked. For the
        length of the block that is no trouble which would have to be told."""
        if self._withdrawn is None or self._withdrawn.at > moment:
            yield
            return
        self._sandbox.revoke(self._withdrawn.platform, self._withdrawn.handle)
        self._withdrawn = None
        log = logging.getLogger(draining.__name__)
        log.disabled = True
        try:
            yield
        finally:
            log.disabled = False

    # --- Tracking

    def _links_until(self, moment: datetime) -> None:
        """What comes through the links that are claimed for by then, and what shops take back by then."""
        while self._links and self._links[0].claimed_at <= moment:
            self._follow(self._links.popleft())
        while self._to_reverse and self._to_reverse[0][0] <= moment:
            at, campaign, sale = self._to_reverse.pop(0)
            clock.set(at)
            take_postback(campaign=campaign, postback=replace(sale, status=Conversion.Status.REVERSED))
            run_queued_tasks()  # so that it is looked at now

    def _follow(self, planned: PlannedLink) -> None:
        """The link is made, people and robots come through it, and some of the people buy."""
        clock.set(planned.at)
        campaign = self._campaigns[planned.campaign.title]
        link, _ = make_link(
            affiliate=self._affiliates[planned.affiliate.name],
            campaign=campaign,
            platform=self._platforms[planned.platform],
            label="In the description",
        )
        sale = None
        for number, visit in enumerate(planned.visits):
            clock.set(visit.at)
            meta = {"REMOTE_ADDR": visit.address, "HTTP_USER_AGENT": visit.agent}
            target = clicks.follow(code=link.code, meta=meta, method="GET")
            if visit.bought is None or target is None:
                continue
            sale = Postback(
                transaction_id=f"{link.code}-{number}",
                amount=visit.bought,
                currency=campaign.currency,
                status=Conversion.Status.APPROVED if number % 3 else Conversion.Status.PENDING,
                digest=hashlib.sha256(f"{link.code} {number}".encode()).hexdigest(),
                click_id=UUID(target.rpartition("=")[2]),
            )
            take_postback(campaign=campaign, postback=sale)
        if planned.reversed_at and sale:
            self._to_reverse.append((planned.reversed_at, campaign, sale))

    # --- Claims, looks and alerts

    def _claim(self, claim: PlannedClaim) -> None:
        clock.set(claim.at)
        post = self._posts.get(claim.post.external_id)
        if post and post.affiliate.name == claim.affiliate.name:
            submission.claim_again(post=post, figures=claim.figures)
            return
        with suppress(SecondClaimantError):  # the story has some of these; they are recorded as refused
            submitted = submission.submit(
                affiliate=self._affiliates[claim.affiliate.name],
                campaign=self._campaigns[claim.campaign.title],
                platform=self._platforms[claim.post.platform],
                url=claim.url,
                figures=claim.figures,
                title=claim.post.title,
            )
            self._posts[claim.post.external_id] = submitted.post

    def _look(self, moment: datetime) -> None:
        """All that is due is looked at. Short links are opened first, since that is what puts their posts in a lane."""
        clock.set(moment)
        self._sandbox.set_clock(moment)
        due = Job.objects.forgotten_lanes(moment, after=timedelta())
        for lanes in (due.filter(connection=None), due.exclude(connection=None)):
            for lane in list(lanes):
                draining.drain(connection_id=lane, paced=False)
        run_queued_tasks()

    def _failed_looks(self) -> bool:
        """Whether a look came to nothing that no withdrawn connection explains."""
        withdrawn = Connection.objects.filter(affiliate__isnull=False, state=Connection.State.PARKED)
        failed = Job.objects.pending().exclude(last_error="")
        return failed.exclude(connection__in=withdrawn).exists()

    def _triage(self) -> None:
        """A day's look at the alerts: some are resolved with a note, some acknowledged, some left for another day."""
        rested = clock.now() - ALERTS_REST_FOR
        active = Alert.objects.active().filter(created_at__lte=rested).select_related("campaign__advertiser")
        for alert in active.order_by("created_at", "pk"):
            by = self._managers[alert.campaign.advertiser.name]
            draw = self._rng.random()
            if draw < 0.22:
                alerting.resolve(alert_id=alert.pk, by=by, note=self._rng.choice(NOTES))
            elif draw < 0.35 and alert.status == Alert.Status.OPEN:
                alerting.acknowledge(alert_id=alert.pk, by=by)
