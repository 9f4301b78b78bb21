"""One claim over the API, from a program's side: against a live server, while somebody works off the queue."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rich.console import Console

from affiliates.keys import SCOPES
from affiliates.models import Affiliate
from affiliates.services import create_key
from config.demo import live, report
from config.demo.live import Api, LiveError
from config.demo.seeding import run_queued_tasks
from platforms.sandbox.world import WorldPost
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today", "sandbox")]


@pytest.fixture
def affiliate() -> Affiliate:
    return AffiliateFactory(name="Mara Lindqvist")


@pytest.fixture
def api(live_server: Any, affiliate: Affiliate) -> Api:
    return Api(live_server.url, create_key(user=affiliate.user, by=None)[1])


@pytest.fixture
def claim(world_post: Callable[..., WorldPost]) -> dict[str, object]:
    """40 % more than there is."""
    post = world_post("youtube")
    views = (post.figures_at(TODAY).views or 0) * 140 // 100
    return {"campaign": str(CampaignFactory().pk), "platform": "youtube", "url": post.url, "claimed_views": views}


@pytest.fixture
def work(drain_all: Callable[[], int]) -> Callable[[], None]:
    """What a worker does meanwhile."""

    def drain() -> None:
        drain_all()
        run_queued_tasks()

    return drain


@contextmanager
def worker(work: Callable[[], None]) -> Iterator[None]:
    """Somebody who works for the length of a block."""
    done = threading.Event()

    def until_done() -> None:
        while not done.wait(0.05):
            work()
        connection.close()

    thread = threading.Thread(target=until_done)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_claim_is_followed_to_its_verdict_trust_and_alert(
    api: Api, claim: dict[str, object], work: Callable[[], None]
):
    seen = live.submit_and_wait(api, claim, work)
    assert (seen.verdict["status"], seen.verdict["discrepancy_level"]) == ("DISCREPANCY", "HIGH")
    staff = Api(api.base_url, create_key(user=UserFactory(is_staff=True), by=None, scopes=SCOPES)[1])
    alert = live.alert_about(staff, seen, work)
    assert alert is not None
    assert report.about_alert(alert) == ("alert", "high, open")
    shown = dict(report.what_came_of_it(seen, live.trust_of(api, seen.standing["affiliate"]["id"])))
    assert shown["claim"] == f"{claim['claimed_views']:,} views"
    assert shown["verdict"] == "DISCREPANCY HIGH"
    assert shown["explanation"] == seen.verdict["explanation"]
    assert shown["trust"] == "0.0000 (0 of 1 accurate)"
    assert shown["affiliate"] == "Mara Lindqvist"


def test_where_no_alert_follows_that_is_said(
    api: Api, claim: dict[str, object], work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "ALERT_TIMEOUT_S", 0.2)
    seen = live.submit_and_wait(api, claim | {"claimed_views": 1}, work)
    staff = Api(api.base_url, create_key(user=UserFactory(is_staff=True), by=None, scopes=SCOPES)[1])
    assert report.about_alert(live.alert_about(staff, seen)) == ("alert", "none")


def test_without_workers_there_is_no_verdict(api: Api, claim: dict[str, object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "VERDICT_TIMEOUT_S", 0.3)
    with pytest.raises(LiveError, match="is a worker running"):
        live.submit_and_wait(api, claim)


def test_a_refusal_names_the_field_and_the_reason(api: Api, claim: dict[str, object]):
    with pytest.raises(LiveError, match=r"Refused with 4\d\d: url: "):
        live.submit_and_wait(api, claim | {"url": "https://example.com/"})
    with pytest.raises(LiveError, match="Refused with 401"):
        live.submit_and_wait(Api(api.base_url, "no key"), claim)


def test_what_speaks_no_json_is_said_plainly(api: Api):
    with pytest.raises(LiveError, match="which is not JSON"):
        Api(f"{api.base_url}/admin/login/?", api.key).get("")


def test_the_command_shows_one_field_a_line(
    api: Api, claim: dict[str, object], work: Callable[[], None], capsys: pytest.CaptureFixture[str]
):
    where = ("--base-url", api.base_url, "--api-key", api.key)
    what = ("--campaign", claim["campaign"], "--platform", "youtube", "--url", claim["url"], "--clicks", "3")
    with worker(work):
        call_command("submit", *where, *what)
    shown = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert shown["claim"] == "3 clicks"
    assert shown["truth"] == "unknown clicks"
    assert shown["verdict"] == "UNVERIFIABLE"


def test_the_command_says_where_nobody_answers():
    where = ("--base-url", "http://127.0.0.1:9", "--api-key", "ck", "--campaign", "c", "--platform", "x", "--url", "u")
    with pytest.raises(CommandError, match="refused"):
        call_command("submit", *where, "--views", "1")


def test_on_a_terminal_it_is_a_table():
    paper = StringIO()
    report.show(Console(file=paper, force_terminal=True, width=70), "A title", [("claim", "1 view"), ("truth", "none")])
    drawn = paper.getvalue()
    assert "A title" in drawn
    assert "│" in drawn
    assert "1 view" in drawn
