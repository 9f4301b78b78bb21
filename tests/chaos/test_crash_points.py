"""A process dies at one instruction of a deed, or raises there; a healthy one goes on. Nothing is lost or doubled."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import count, islice
from typing import Any
from uuid import UUID

import pytest

from affiliates.models import Affiliate, User
from alerts import services as alert_services
from campaigns.models import Campaign, Post
from campaigns.tracking.conversions import Postback, take_postback
from campaigns.tracking.links import make_link
from config import clock
from platforms.models import Account, Platform
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import Series, WorldPost
from reconciliation.comparison import Figures
from reconciliation.models import AffiliateReport, Import, Job, ReconciliationLog
from reconciliation.services import draining, importing, jobs, merging, runs, submission
from reconciliation.services.admission import Entry
from tests.chaos.crashing import CALL, COMMIT, FINISHED, KILLED, RAISED, STATEMENT, Point, crash
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory
from tests.invariants import broken
from tests.reconciliation.support import lane_of
from tests.reconciliation.test_owning import prove

pytestmark = pytest.mark.django_db(transaction=True)

Deed = Any
"""What is done in the process that dies: a partial call of a service."""


@dataclass
class Stage:
    """A campaign and its people, and posts that nobody has claimed yet."""

    sandbox: SandboxServer
    campaign: Campaign
    mila: Affiliate
    numbers: Iterator[int]
    edited: Iterator[tuple[WorldPost, WorldPost]]

    def world_post(self) -> WorldPost:
        return self.sandbox.state.world.post("youtube", Series.EVEN, next(self.numbers))

    def claiming(self, post: WorldPost | None = None, by: Affiliate | None = None, views: int = 10**9) -> Deed:
        """Submitting an over-claim for a post."""
        post = post or self.world_post()
        return partial(
            submission.submit,
            affiliate=by or self.mila,
            campaign=self.campaign,
            platform=Platform.objects.get(slug=post.platform),
            url=post.url,
            figures=Figures(views=views),
            title="A title",
        )

    def lane(self) -> UUID:
        return lane_of("youtube").pk


@pytest.fixture
def stage(sandbox, ticking) -> Stage:
    campaign = CampaignFactory(landing_url="https://shop.example/")
    return Stage(sandbox, campaign, AffiliateFactory(), count(), edited_posts(sandbox))


def edited_posts(sandbox: SandboxServer) -> Iterator[tuple[WorldPost, WorldPost]]:
    """Posts of the sandbox's X that were edited: as their first id shows them, and as their present one does."""
    world = sandbox.state.world
    for post in islice(world.posts("x", Series.CURRENT), 40_000):
        if len(post.versions) > 1 and post.presence_at(TODAY) == "live":
            first = world.find("x", post.versions[0])
            if first is not None:
                yield first, post


# --- The deeds, each made ready to be done, and done again by who asked for it where nobody else does it


def submit(stage: Stage) -> Deed:
    return stage.claiming()


def claim_again(stage: Stage) -> Deed:
    return partial(submission.claim_again, post=stage.claiming()().post, figures=Figures(views=7))


def submit_many(stage: Stage) -> Deed:
    deeds = [stage.claiming() for _ in range(3)]
    names = ("affiliate", "campaign", "platform", "url", "figures")
    entries = [Entry(**{name: deed.keywords[name] for name in names}) for deed in deeds]
    return partial(submission.submit_many, entries=entries, method=AffiliateReport.Method.IMPORT)


def take_another_s_place(stage: Stage) -> Deed:
    """The proven author of a post claims it too, once it is known who published it."""
    post = stage.world_post()
    stage.claiming(post)()
    draining.drain(connection_id=stage.lane(), paced=False)
    account = Account.objects.filter(external_id=post.author_id).first()
    owner = account.affiliate if account else AffiliateFactory()
    if not account:
        prove(owner, post)
    return stage.claiming(post, by=owner)


def ask_for_a_run(stage: Stage) -> Deed:
    post = stage.claiming()().post
    return partial(runs.request_run, posts=Post.objects.filter(pk=post.pk), by=stage.mila.user, scope={})


def look(stage: Stage) -> Deed:
    for _ in range(3):
        stage.claiming()()
    return partial(draining.drain, connection_id=stage.lane(), paced=False)


def look_in_vain(stage: Stage) -> Deed:
    stage.claiming()()
    stage.sandbox.state.set_fault("youtube", FaultKind.SERVER_ERROR, 1, 60)
    return partial(draining.drain, connection_id=stage.lane(), paced=False)


def look_where_nobody_is_asked(stage: Stage) -> Deed:
    deed = stage.claiming()
    deed.keywords["figures"] = Figures(clicks=3)
    deed()
    return partial(draining.drain, connection_id=None, paced=False)


def sweep(stage: Stage) -> Deed:
    post = stage.claiming()().post
    lease = {"lease": UUID(int=1), "leased_until": clock.now() - timedelta(seconds=1), "attempts": 1}
    Job.objects.filter(post=post).update(state="leased", **lease)
    return jobs.sweep


def retry_the_dead(stage: Stage) -> Deed:
    dead = Job.objects.filter(post=stage.claiming()().post)
    dead.update(state="dead", finished_at=clock.now(), last_error="Nobody knows.")
    return partial(jobs.retry_dead, job_ids=[dead.get().pk], by=stage.mila.user)


def open_alerts(stage: Stage) -> Deed:
    stage.claiming()()
    draining.drain(connection_id=stage.lane(), paced=False)
    verdicts = ReconciliationLog.objects.counted().filter(alert=None)
    return partial(alert_services.open_for_verdicts, verdict_ids=list(verdicts.values_list("pk", flat=True)))


def merge(stage: Stage) -> Deed:
    """Both editions of an edited post are claimed, and the platform has told that they are one."""
    editions = next(stage.edited)
    submissions = [stage.claiming(edition)() for edition in editions]
    draining.drain(connection_id=lane_of("x").pk, paced=False)
    return partial(merging.merge_twins, post_id=submissions[0].post.pk)


def import_a_file(stage: Stage) -> Deed:
    """Three claims, checked and taken: as a whole every second time, else row by row."""
    staff = UserFactory(is_staff=True)
    lines = "".join(f"{stage.mila.user.email},{stage.campaign.name},{stage.world_post().url},9\n" for _ in range(3))
    file = io.BytesIO(f"affiliate,campaign,url,claimed_views\n{lines}".encode())
    sent = importing.take_file(kind=Import.Kind.CLAIMS, file=file, name="rows.csv", by=staff)
    take = Import.Take.ALL if next(stage.numbers) % 2 else Import.Take.GOOD
    return partial(work_through, sent.pk, take, staff)


def work_through(import_id: UUID, take: Import.Take, by: User) -> None:
    """Check and import a file, as far as nobody has done so."""
    while importing.work(import_id=import_id):
        pass
    if Import.objects.filter(pk=import_id, state=Import.State.CHECKED).exists():
        importing.apply_import(import_id=import_id, take=take, by=by)
    while importing.work(import_id=import_id):
        pass


def take_a_sale(stage: Stage) -> Deed:
    youtube = Platform.objects.get(slug="youtube")
    link, _ = make_link(campaign=stage.campaign, affiliate=stage.mila, platform=youtube)
    deed = stage.claiming()
    deed.keywords.update(figures=Figures(clicks=0, conversions=9), tracking_link=link.code)
    deed()
    draining.drain(connection_id=None, paced=False)
    sale = Postback(f"T-{next(stage.numbers)}", Decimal(1), "USD", "approved", "0" * 64, code=link.code)
    return partial(take_postback, campaign=stage.campaign, postback=sale)


DEEDS: dict[Callable[[Stage], Deed], int] = {
    submit: 1,
    claim_again: 2,
    submit_many: 3,
    import_a_file: 3,
    take_another_s_place: 2,
    take_a_sale: 1,
    ask_for_a_run: 1,
    look: 3,
    look_in_vain: 1,
    look_where_nobody_is_asked: 1,
    open_alerts: 1,
    merge: 2,
    sweep: 1,
    retry_the_dead: 1,
}
"""How many claims there are in the end, once each has been done."""
ASKED_AGAIN = {
    submit,
    claim_again,
    submit_many,
    import_a_file,
    take_another_s_place,
    take_a_sale,
    ask_for_a_run,
    retry_the_dead,
}
"""These are asked for by somebody who got no answer, and asks once more; the others are the workers' own."""


@dataclass
class Dying:
    """Lets a process die in a deed, has a healthy one go on, and looks at what came of it."""

    stage: Stage
    recover: Callable[[], None]
    claims: int = 0

    def at(self, point: Point, do: Callable[[Stage], Deed], *, raises: bool = False) -> int:
        """How the process ended."""
        deed = do(self.stage)
        ended = crash(deed, point, raises=raises)
        self.stage.sandbox.state.set_fault("youtube", FaultKind.SERVER_ERROR, 0, 0)
        assert broken() == {}
        self.recover()
        if do in ASKED_AGAIN:
            deed()
            self.recover()
        self.claims += DEEDS[do]
        assert broken(soon=True) == {}
        assert AffiliateReport.objects.count() == self.claims
        unjudged = AffiliateReport.objects.open().filter(post__displaced_at=None)
        assert not unjudged.exclude(verdicts__next_look_at__gt=clock.now()).exists()
        return ended


@pytest.fixture
def dying(stage, recover) -> Dying:
    return Dying(stage, recover)


def table(verb: str, name: str) -> str:
    return rf"{verb}\s+\"?{name}\b"


CLAIM, SNAPSHOT, VERDICT = (
    table("(INTO|COPY)", f"reconciliation_{name}")
    for name in ("affiliatereport", "platformreport", "reconciliationlog")
)
STATE, JOB, QUEUE = (
    table("(INTO|UPDATE)", name) for name in ("reconciliation_poststate", "reconciliation_job", "django_q_ormq")
)
POINTS: dict[str, tuple[Callable[[Stage], Deed], Point]] = {
    "before a post is written": (submit, Point(matching=table("INTO", "campaigns_post"))),
    "between a post and its claim": (submit, Point(matching=CLAIM)),
    "between a claim and its job": (submit, Point(matching=CLAIM, after=True)),
    "between a job and its post's state": (submit, Point(matching=STATE)),
    "between a claim and the queue": (submit, Point(matching=QUEUE)),
    "before a claim is committed": (submit, Point(COMMIT)),
    "before a claim is answered": (submit, Point(COMMIT, after=True)),
    "while a batch is leased": (look, Point(matching=JOB, after=True)),
    "between the lease and the call": (look, Point(COMMIT, after=True)),
    "before the call": (look, Point(CALL)),
    "after the call": (look, Point(CALL, after=True)),
    "before a snapshot is written": (look, Point(matching=SNAPSHOT)),
    "between a snapshot and its verdict": (look, Point(matching=VERDICT)),
    "between a verdict and the trust": (look, Point(matching=VERDICT, after=True)),
    "between trust and the post's state": (
        look,
        Point(matching=table("UPDATE", "reconciliation_trustscore"), after=True),
    ),
    "after a post's state": (look, Point(matching=STATE, after=True)),
    "between a verdict and its alert": (look, Point(matching=QUEUE, after=True)),
    "while a failed look is given back": (look_in_vain, Point(matching=JOB, number=2)),
    "between an alert and its end": (open_alerts, Point(COMMIT)),
    "between a lapsed lease and the next one": (sweep, Point(matching=JOB, after=True)),
}


@pytest.mark.parametrize("raises", [False, pytest.param(True, marks=pytest.mark.chaos)], ids=["killed", "raises"])
@pytest.mark.parametrize("name", POINTS)
def test_a_process_that_dies_at_a_named_point(dying, name, raises):
    do, point = POINTS[name]
    assert dying.at(point, do, raises=raises) == (RAISED if raises else KILLED)


def everywhere(dying: Dying, do: Callable[[Stage], Deed], kind: str, *, raises: bool) -> int:
    """Die at each step of this kind, one after the other; returns how many there are."""
    for number in count(1):
        if dying.at(Point(kind, number), do, raises=raises) == FINISHED:
            return number - 1
    raise AssertionError


@pytest.mark.parametrize("do", [submit, look], ids=lambda do: do.__name__)
def test_a_process_that_is_killed_before_whatever_statement(dying, do):
    assert everywhere(dying, do, STATEMENT, raises=False) > 5


@pytest.mark.chaos
@pytest.mark.parametrize("raises", [False, True], ids=["killed", "raises"])
@pytest.mark.parametrize("do", DEEDS, ids=lambda do: do.__name__)
def test_every_deed_may_end_before_whatever_statement_and_around_every_commit(dying, do, raises):
    steps = everywhere(dying, do, STATEMENT, raises=raises)
    commits = everywhere(dying, do, COMMIT, raises=raises)
    assert steps
    assert commits
