"""Many claims together come to what they would come to one by one, in as many statements as a few."""

import random
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from affiliates.models import AuditEvent
from campaigns.models import Enrolment, Post, PostText, TrackingLink
from config.errors import DomainError
from platforms.models import Account, Connection, Platform
from reconciliation.comparison import Figures
from reconciliation.errors import BusyError
from reconciliation.models import AffiliateReport, Job, PostState
from reconciliation.services import admission, submission
from reconciliation.services.admission import Entry
from tests.factories import AffiliateFactory, CampaignFactory, EnrolmentFactory, TrackingLinkFactory
from tests.reconciliation.support import NEVER_THERE, rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

Method = AffiliateReport.Method


class RolledBackError(Exception):
    """What was done is looked at, and then it never happened."""


def video(number: int) -> str:
    return f"https://www.youtube.com/watch?v={number:011d}"


def state_of_things() -> dict[str, Any]:
    """Everything that submitting writes, apart from ids and moments."""
    posts = {post.pk: (post.affiliate.name, post.campaign.name, post.url) for post in Post.objects.all()}
    return {
        "posts": sorted((*posts[p.pk], bool(p.displaced_at), str(p.tracking_link_id)) for p in Post.objects.all()),
        "claims": sorted((*posts[c.post_id], c.claimed_views) for c in AffiliateReport.objects.all()),
        "current": sorted((*posts[s.post_id], s.current_claim.claimed_views) for s in PostState.objects.all()),
        "jobs": sorted((*posts[j.post_id], str(j.connection_id), j.state, j.reason) for j in Job.objects.all()),
        "texts": sorted((*posts[t.post_id], t.title, t.description) for t in PostText.objects.all()),
        "enrolments": sorted((e.affiliate.name, e.campaign.name, e.status) for e in Enrolment.objects.all()),
        "audit": sorted(AuditEvent.objects.values_list("action", "actor__name")),
    }  # fmt: skip


@pytest.fixture
def world() -> dict[str, list[Any]]:
    """Affiliates and campaigns that differ in all that a claim is judged by."""
    youtube, x = Platform.objects.get(slug="youtube"), Platform.objects.get(slug="x")
    shared = [CampaignFactory(allows_shared_content=True) for _ in range(2)]
    campaigns = [
        *shared,
        CampaignFactory(),
        CampaignFactory(is_open=False),
        CampaignFactory(requires_proof=True),
        CampaignFactory(status="paused"),
        CampaignFactory(platforms=[x]),
        CampaignFactory(livemode=False, advertiser__livemode=False),
    ]
    affiliates = [AffiliateFactory(name=f"Affiliate {number}") for number in range(4)]
    EnrolmentFactory(campaign=campaigns[3], affiliate=affiliates[0], status="invited")
    EnrolmentFactory(campaign=campaigns[2], affiliate=affiliates[3], status="removed")
    proven = Account.objects.create(affiliate=affiliates[1], platform=youtube, handle="one", external_id="UC1")
    Account.objects.filter(pk=proven.pk).update(proven_at="2026-11-20T00:00Z")
    Connection.objects.create(platform=youtube, affiliate=affiliates[2], state="active", livemode=True)
    for campaign in (shared[0], *shared):
        TrackingLinkFactory(campaign=campaign, platform=youtube, affiliate=affiliates[0])
    # Somebody's posts from before: of an author who is known, and of one who is not.
    for number, author in ((1, "UC1"), (2, "")):
        first = submission.submit(
            affiliate=affiliates[3], campaign=shared[0], platform=youtube, url=video(number), figures=Figures(views=1)
        )
        Post.objects.filter(pk=first.post.pk).update(author_id=author)
    return {"affiliates": affiliates, "campaigns": campaigns, "platforms": [youtube, youtube, youtube, x]}


ADDRESSES = (*map(video, range(6)), "https://youtu.be/00000000001", "https://vm.tiktok.com/ZMabcdefg/", "nonsense")


def some_entries(world: dict[str, list[Any]], seed: int) -> list[Entry]:
    chosen = random.Random(seed)
    codes = ["", "nosuchcode", *TrackingLink.objects.values_list("code", flat=True)]
    return [
        Entry(
            affiliate=chosen.choice([*world["affiliates"], world["affiliates"][0]]),
            campaign=chosen.choice([*world["campaigns"], *world["campaigns"][:1] * 6]),
            platform=chosen.choice(world["platforms"]),
            url=chosen.choice(ADDRESSES),
            figures=Figures(views=chosen.choice([None, 1, 2, 3])),
            title=chosen.choice(["", "", "A title"]),
            description=chosen.choice(["", "", "Words"]),
            tracking_link=chosen.choice(codes),
        )
        for _ in range(150)
    ]


def said(outcome: Any) -> tuple[str, ...]:
    if isinstance(outcome, DomainError):
        return (type(outcome).__name__, outcome.code, str(outcome.field))
    if isinstance(outcome, submission.Submission):
        return (outcome.outcome.value,)
    return (outcome.value,)


@pytest.mark.parametrize("seed", range(12))
def test_they_come_to_what_they_would_one_by_one(world, seed):
    entries = some_entries(world, seed)
    alone: list[tuple[str, ...]] = []
    try:
        with transaction.atomic():
            for entry in entries:
                [outcome] = submission.submit_many(entries=[entry], method=Method.IMPORT)
                alone.append(said(outcome))
            expected = state_of_things()
            raise RolledBackError
    except RolledBackError:
        pass
    before = rows()
    previewed = submission.preview_many(entries=entries)
    assert rows() == before
    together = submission.submit_many(entries=entries, method=Method.IMPORT)
    assert [said(outcome) for outcome in together] == [said(outcome) for outcome in previewed] == alone
    assert state_of_things() == expected


def test_the_entries_of_that_test_meet_every_rule(world):
    met = {
        said(outcome)[-2 if isinstance(outcome, DomainError) else 0]
        for seed in range(12)
        for outcome in submission.preview_many(entries=some_entries(world, seed))
    }
    assert met == {
        "new_post", "new_claim", "unchanged", "already_claimed", "campaign_takes_no_claims",
        "claimed_in_another_campaign", "link_bound", "not_a_url", "not_enrolled", "nothing_claimed",
        "platform_mismatch", "platform_not_assigned", "proof_required", "unknown_link",
    }  # fmt: skip


def test_a_hundred_take_no_more_statements_than_ten(world):
    def statements(numbers: range) -> int:
        entries = [
            Entry(
                affiliate=world["affiliates"][number % 3],
                campaign=world["campaigns"][number % 2],
                platform=world["platforms"][0],
                url=video(number),
                figures=Figures(views=number),
                title="A title",
            )
            for number in numbers
        ]
        with CaptureQueriesContext(connection) as captured:
            outcomes = submission.submit_many(entries=entries, method=Method.IMPORT)
        assert {said(outcome) for outcome in outcomes} == {("new_post",)}
        return len(captured)

    statements(range(90, 100))  # by which they join
    assert statements(range(100, 110)) == statements(range(200, 300))


@pytest.mark.django_db(transaction=True)
def test_while_a_whole_file_is_written_a_claim_is_told_to_come_again(client_of, monkeypatch):
    monkeypatch.setattr(submission, "LOCK_WAIT_S", 0.2)
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    api, answers = client_of(affiliate.user), []
    body = {"campaign": str(campaign.pk), "platform": "youtube", "url": NEVER_THERE, "claimed_views": 5}

    def send() -> None:
        answers.append(api.post("/api/v1/submissions/", body))
        connection.close()

    with transaction.atomic():
        admission.lock_all_contents()
        before = rows()
        elsewhere = threading.Thread(target=send)
        elsewhere.start()
        elsewhere.join()
        assert rows() == before
    assert (answers[0].status_code, answers[0].json()["code"]) == (503, BusyError.code)
    assert int(answers[0]["Retry-After"]) >= BusyError.retry_after_s
    send()
    assert answers[1].status_code == 202
