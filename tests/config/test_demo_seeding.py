"""Seeding: a small story through the real pipeline, over HTTP to a sandbox of its own."""

import json
import stat
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Q
from django_q.models import OrmQ

from affiliates.models import Affiliate, AuditEvent, User
from affiliates.services import audit
from alerts.models import Alert
from campaigns.models import Advertiser, Campaign, Click, Conversion, Post
from config import clock
from config.demo import seeding
from config.demo.cast import AFFILIATES, OWNERS_ONLY, STAFF
from platforms.links import PostLink, identify
from platforms.models import Connection
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.traits import PLATFORMS
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN
from reconciliation.models import AffiliateReport, Job, PlatformReport, ReconciliationLog
from tests.factories import UserFactory
from tests.invariants import broken

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any) -> Iterator[SandboxServer]:
    """A sandbox whose month ends now, which the adapters speak to."""
    with SandboxServer(seed=7, epoch=clock.now() - SPAN) as server:
        for name in ("PLATFORMS", "OAUTH"):
            listed = {slug: _moved_to(server.url, config) for slug, config in getattr(settings, name).items()}
            setattr(settings, name, listed)
        settings.LINK_RESOLVER_BASE_URL = f"{server.url}/__links__"
        yield server


def _moved_to(url: str, config: dict[str, Any]) -> dict[str, Any]:
    """The same paths, at this address."""
    there = {name: value for name, value in config.items() if name.endswith("_url")}
    return config | {name: url + urlsplit(address).path for name, address in there.items()}


def seed(world: SandboxServer, *options: str, posts: int = 12, days: int = 2) -> str:
    said = StringIO()
    size = ("--posts", str(posts), "--days", str(days))
    call_command("seed", *size, "--sandbox-url", world.url, *options, stdout=said)
    return said.getvalue()


def test_a_seeded_world_has_been_through_the_real_pipeline(
    world: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seeding, "TRIAGE_EVERY", 1)  # so few alerts may all be left for another day otherwise
    handout = tmp_path / "demo.json"
    began = clock.now()
    said = seed(world, "--handout", str(handout), "--base-url", "http://127.0.0.1:8123", posts=120, days=8)
    assert int(said.split(" posts with")[0]) == Post.objects.count() >= 110
    assert broken(soon=True) == {}
    _is_settled(began)
    _is_believable()
    _is_connected_but_for_some(world)
    _is_tracked()
    _hands_out(json.loads(handout.read_text()), world)
    assert stat.S_IMODE(handout.stat().st_mode) == 0o600
    assert not world.state.frozen
    assert clock.now() - began < timedelta(minutes=5)

    before = {model: model.objects.count() for model in (AffiliateReport, ReconciliationLog, AuditEvent, User)}
    assert "seeded already; nothing was changed" in seed(world)
    assert {model: model.objects.count() for model in before} == before


def _is_settled(began: Any) -> None:
    """Each claim has one counted verdict or an open second look, and nothing is left to do for a while."""
    counted = Count("verdicts", filter=Q(verdicts__next_look_at=None))
    provisional = Count("verdicts", filter=Q(verdicts__next_look_at__isnull=False))
    claims = AffiliateReport.objects.annotate(counted=counted, provisional=provisional)
    assert claims.count() >= 110
    parked = Job.objects.pending().filter(connection__state="parked")
    open_claims = claims.exclude(counted=1).exclude(counted=0, provisional__gte=1)
    assert not open_claims.exclude(post__jobs__in=parked).exists()
    for verdict in ReconciliationLog.objects.select_related("affiliate_report", "platform_report"):
        late = verdict.platform_report.fetched_at - verdict.affiliate_report.claimed_at
        assert verdict.affiliate_report.claimed_at <= began
        assert timedelta() < late
    assert not OrmQ.objects.exists()
    due = Job.objects.exclude(state="done").filter(due_at__lt=began + timedelta(minutes=15))
    assert not due.exclude(pk__in=parked).exists()
    assert not Job.objects.filter(state__in=["leased", "dead"]).exists()
    assert PlatformReport.objects.filter(availability="live").exists()


def _is_believable() -> None:
    assert (Advertiser.objects.count(), Affiliate.objects.count()) == (3, 40)
    statuses = Counter(Campaign.objects.values_list("status", flat=True))
    assert statuses == {"active": 7, "completed": 2, "draft": 2, "paused": 1}
    found = set(ReconciliationLog.objects.values_list("status", flat=True))
    assert {"MATCHED", "DISCREPANCY", "UNVERIFIABLE"} <= found
    over = ReconciliationLog.objects.counted().filter(discrepancy_level__in=["MEDIUM", "HIGH"])
    assert Alert.objects.filter(kind="over_claim").count() == over.count()
    assert Alert.objects.filter(status="resolved").exclude(resolution_note="").exists()


def _is_connected_but_for_some(world: SandboxServer) -> None:
    """Who connects was judged by figures that the owner alone is shown; who does not can't be judged for now."""
    assert set(Post.objects.values_list("platform__slug", flat=True)) == set(PLATFORMS)
    own = Connection.objects.exclude(affiliate=None)
    assert set(own.values_list("method", flat=True)) == {"oauth"}
    assert own.filter(state="parked").count() == 1
    assert own.filter(state="active").count() > 20
    lapsed = own.filter(platform__slug="tiktok", connected_at__lt=clock.now() - timedelta(days=2))
    assert any(each.token_expires_at - each.connected_at > timedelta(days=1) for each in lapsed)  # it was renewed
    views = ReconciliationLog.objects.filter(
        post__platform__slug__in=OWNERS_ONLY, affiliate_report__claimed_views__isnull=False
    )
    read = views.filter(platform_report__availability="live", platform_report__connection__affiliate__isnull=False)
    assert read.count() > views.count() / 2
    strangers = [plan.name for plan in AFFILIATES if not plan.connects]
    waiting = views.filter(post__affiliate__name__in=strangers, platform_report__denial="not_connected")
    assert waiting.exists()
    assert set(waiting.values_list("status", flat=True)) == {"UNVERIFIABLE"}
    assert not waiting.filter(next_look_at=None).exists()  # the fortnight in which they may connect is not over
    assert not Post.objects.filter(is_identified=False).exists()
    assert Post.objects.exclude(short_url="").exists()


def _is_tracked() -> None:
    """Clicks and sales of one campaign have a truth, and some visits are set apart."""
    posts = Post.objects.exclude(tracking_link=None)
    assert posts.exists()
    assert set(posts.values_list("campaign__campaign_name", flat=True)) == {"Weeknight Dinners"}
    assert {"", "robot", "repeat"} == set(Click.objects.values_list("invalid_reason", flat=True))
    assert not Conversion.objects.filter(link=None).exists()
    counted = ReconciliationLog.objects.filter(post__in=posts)
    assert counted.filter(platform_report__provenance__clicks="own_tracking", clicks_discrepancy=0).exists()
    assert not counted.filter(platform_report__clicks=None).exists()


def _hands_out(content: dict[str, Any], world: SandboxServer) -> None:
    assert content["base_url"] == "http://127.0.0.1:8123"
    assert content["sandbox_url"] == world.url
    for role in ("staff", "manager", "viewer"):
        assert User.objects.get(email=content[role]["email"]).check_password(content[role]["password"])
        assert content[role]["api_key"].startswith("ck_live_")
    guest = content["affiliate"]
    assert User.objects.get(email=guest["email"]).check_password(guest["password"])
    assert {"name": guest["name"], "api_key": guest["api_key"]} in content["affiliates"]
    assert not Connection.objects.filter(affiliate__name=guest["name"]).exists()
    for slug, handle in guest["accounts"].items():
        author = world.state.world.author_of_handle(slug, handle)
        theirs = Post.objects.filter(affiliate__name=guest["name"], platform__slug=slug)
        assert {_author_of(post, world) for post in theirs} <= {author}
    assert len(content["affiliates"]) == 40
    campaigns = {each["id"]: each for each in content["campaigns"]}
    assert len(campaigns) == 12
    usable = {str(each.pk) for each in Campaign.objects.filter(status="active", is_open=True)}
    even = 0
    taken = set(Post.objects.values_list("external_id", flat=True))
    for post in content["posts"]:
        link = identify(post["url"])
        assert isinstance(link, PostLink)
        assert post["platform"] == link.platform
        assert post["platform"] in campaigns[post["campaign_id"]]["platforms"]
        assert post["campaign_id"] in usable
        assert link.external_id not in taken
        known = world.state.world.find(link.platform, link.external_id)
        assert known is not None
        assert known.published_at < clock.now() - timedelta(days=40)
        views = known.final.views or 0
        even += post["platform"] == "youtube" and views >= 10_000 and views % 20 == 0
    assert even >= 60
    assert len({post["url"] for post in content["posts"]}) == len(content["posts"])
    found = Counter(post["platform"] for post in content["posts"])
    assert (found["youtube"], found["reddit"], found["x"]) >= (400, 200, 200)


def _author_of(post: Post, world: SandboxServer) -> int | None:
    known = world.state.world.find(post.platform.slug, post.external_id)
    return None if known is None else known.author


def test_a_fresh_one_takes_the_place_of_an_earlier_one(world: SandboxServer):
    seed(world)
    first = set(User.objects.values_list("pk", flat=True))
    assert "Dropping the earlier seeding" in seed(world, "--fresh")
    assert User.objects.count() == len(first)
    assert not User.objects.filter(pk__in=first).exists()


def test_one_that_was_interrupted_is_begun_anew(world: SandboxServer):
    staff = User.objects.create_superuser(STAFF.email)
    audit(actor=None, action=seeding.BEGUN, row=staff)
    assert seeding.contents() == seeding.Contents.HALF_A_STORY
    seed(world)
    assert seeding.contents() == seeding.Contents.A_STORY
    assert not User.objects.filter(pk=staff.pk).exists()


@pytest.mark.parametrize("options", [(), ("--fresh",)])
def test_other_data_is_never_touched(world: SandboxServer, options: tuple[str, ...]):
    somebody = UserFactory()
    with pytest.raises(CommandError, match="holds other data"):
        seed(world, *options)
    assert list(User.objects.all()) == [somebody]


def test_a_sandbox_that_is_not_there_is_said_plainly(settings: Any):
    nowhere = "http://127.0.0.1:9"
    for name in ("PLATFORMS", "OAUTH"):
        setattr(settings, name, {slug: _moved_to(nowhere, each) for slug, each in getattr(settings, name).items()})
    settings.LINK_RESOLVER_BASE_URL = nowhere
    with pytest.raises(CommandError, match="No sandbox answers"):
        call_command("seed", "--sandbox-url", nowhere)
    assert not User.objects.exists()


def test_platforms_that_are_read_elsewhere_are_never_asked(world: SandboxServer):
    with pytest.raises(CommandError, match="The platforms are read elsewhere"):
        call_command("seed", "--sandbox-url", "http://127.0.0.1:9")
    assert not User.objects.exists()


@pytest.mark.parametrize("elsewhere", ["OAUTH", "LINK_RESOLVER_BASE_URL"])
def test_accounts_and_short_links_are_asked_nowhere_else_either(world: SandboxServer, settings: Any, elsewhere: str):
    real = "https://example.com"
    addresses = {slug: {"authorize_url": real} for slug in settings.OAUTH}
    setattr(settings, elsewhere, addresses if elsewhere == "OAUTH" else real)
    with pytest.raises(CommandError, match="The platforms are read elsewhere"):
        seed(world)


def test_an_account_that_cannot_be_connected_is_told(world: SandboxServer, settings: Any):
    settings.OAUTH = {slug: config | {"client_id": ""} for slug, config in settings.OAUTH.items()}
    with pytest.raises(CommandError, match=r"could not be connected: .* can't be connected here"):
        seed(world)
    assert seeding.contents() == seeding.Contents.HALF_A_STORY


def test_a_platform_that_fails_to_the_end_is_told(world: SandboxServer):
    for platform in ("youtube", "x", "reddit"):
        world.state.set_fault(platform, FaultKind.SERVER_ERROR, 1, 600)
    with pytest.raises(CommandError, match="The sandbox failed at the last looks"):
        seed(world)
    assert seeding.contents() == seeding.Contents.HALF_A_STORY


def test_sizes_that_make_no_sense_are_refused(world: SandboxServer):
    for days, posts in ((0, 10), (31, 10), (5, 0)):
        with pytest.raises(CommandError, match="--days: 1 to 30"):
            seed(world, days=days, posts=posts)
