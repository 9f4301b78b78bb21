"""How platforms are doing, and looks at their posts on demand, through the API."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from affiliates.models import AuditEvent
from config import clock
from platforms.models import Connection, Platform
from platforms.sandbox.wire import FaultKind
from platforms.services.lanes import Purse, hold_connection, note_failure, park_connection
from platforms.services.settings import configure
from reconciliation.models import Job, ReconciliationLog, Run, RunJob
from reconciliation.services import draining, health, runs
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.reconciliation.support import lane_of, leased, queries, unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

LIST = "/api/v1/platforms"
STATUS, FETCH = f"{LIST}/youtube/status", f"{LIST}/youtube/fetch"
SLUGS = {"youtube", "reddit", "x", "tiktok", "instagram", "facebook"}
UNKNOWN = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True))


@pytest.fixture
def affiliate():
    return AffiliateFactory()


@pytest.fixture
def claims(claim, world_post, affiliate):
    """Claim so many posts of a platform, from the one numbered `start` on."""
    campaign = CampaignFactory()

    def make(count, platform="youtube", start=0):
        return [claim(affiliate, campaign, world_post(platform, n), 1).post for n in range(start, start + count)]

    return make


def after(**time):
    return clock.at(TODAY + timedelta(**time))


def trip(connection):
    for _ in range(connection.platform.breaker_limits.failures):
        note_failure(connection=connection, error="unavailable: http_503")


# --- The word


def word(api, slug="youtube"):
    return api.get(f"{LIST}/{slug}/status").json()["status"]


def test_everybody_sees_how_platforms_are_doing(client_of, affiliate):
    trip(lane_of("youtube"))
    park_connection(connection_id=lane_of("x").pk, reason="auth: secret details")
    for user in (affiliate.user, MembershipFactory(role="viewer").user):
        api = client_of(user)
        assert api.get(STATUS).json() == {"platform": "youtube", "name": "YouTube", "status": "down"}
        listed = api.get(LIST).json()
        assert {row["platform"]: row["status"] for row in listed["results"]} == dict.fromkeys(SLUGS, "up") | {
            "youtube": "down",
            "x": "down",
        }
        assert "secret details" not in str(listed)
    assert APIClient().get(LIST).status_code == APIClient().get(STATUS).status_code == 401


def test_a_platform_is_down_from_the_failure_that_opens_its_breaker_to_the_answer_that_closes_it(
    staff, claims, sandbox, drain_all
):
    configure(
        platform=Platform.objects.get(slug="youtube"),
        by=UserFactory(is_staff=True),
        changes={"breaker_failures": 3, "breaker_open_s": 10},
    )
    claims(1)
    sandbox.state.set_fault("youtube", FaultKind.SERVER_ERROR, 1, 600)
    words = []
    for _ in range(3):
        Job.objects.update(due_at=TODAY)
        draining.work(leased())
        words.append(word(staff))
    assert words == ["up", "degraded", "down"]
    assert word(staff, "x") == "up"
    sandbox.state.reset()
    Job.objects.update(due_at=TODAY)
    assert drain_all() == 0
    with after(seconds=10):
        assert word(staff) == "down"
        assert drain_all() == 1
        assert word(staff) == "up"


def test_a_lane_that_rests_makes_a_platform_degraded(staff):
    hold_connection(connection_id=lane_of("youtube").pk, wait_s=10)
    assert word(staff) == "up"
    hold_connection(connection_id=lane_of("youtube").pk, wait_s=11)
    assert word(staff) == "degraded"
    with after(seconds=11):
        assert word(staff) == "up"


def test_a_budget_that_is_spent_makes_a_platform_degraded_until_it_comes_back(staff):
    connection = lane_of("youtube")
    configure(platform=connection.platform, by=UserFactory(is_staff=True), changes={"daily_quota": 1})
    assert word(staff) == "up"
    Purse(connection.pk).pay()
    assert word(staff) == "degraded"
    with clock.at(connection.platform.budget.next_day(TODAY)):
        assert word(staff) == "up"


def test_a_look_that_has_been_due_for_long_makes_a_platform_degraded(staff, claims):
    claims(1)
    with after(minutes=10):
        assert word(staff) == "up"
    with after(minutes=10, seconds=1):
        assert word(staff) == "degraded"
        assert word(staff, "x") == "up"
        leased()
        assert word(staff) == "up"  # somebody is taking it


def test_an_affiliates_own_connection_says_nothing_about_the_platform(staff, affiliate, claims):
    platform = Platform.objects.get(slug="youtube")
    Connection.objects.create(
        platform=platform, affiliate=affiliate, method="oauth", state="parked", parked_reason="auth: gone"
    )
    claims(2)
    with after(hours=1):
        assert word(staff) == "up"


def test_a_key_sees_the_platform_in_its_own_mode(client_of, affiliate):
    trip(lane_of("youtube"))
    assert word(client_of(affiliate.user, livemode=True)) == "down"
    assert word(client_of(affiliate.user, livemode=False)) == "up"
    person = APIClient()
    person.force_login(affiliate.user)
    assert word(person) == "down"


def test_a_platform_that_is_switched_off_is_not_listed(staff):
    Platform.objects.filter(slug="x").update(is_active=False)
    assert {row["platform"] for row in staff.get(LIST).json()["results"]} == SLUGS - {"x"}
    unchanged(404, staff.get, f"{LIST}/x/status")


def test_the_list_comes_in_pages(staff):
    page = staff.get(f"{LIST}?page_size=4").json()
    rest = staff.get(page["next"]).json()
    assert {row["platform"] for row in page["results"] + rest["results"]} == SLUGS
    assert (len(page["results"]), rest["next"]) == (4, None)


def test_meta_is_another_word_for_facebook(staff):
    assert staff.get(f"{LIST}/meta/status").json()["platform"] == "facebook"


# --- What staff see


def test_staff_see_breakers_lanes_budgets_and_what_is_due(staff, claims, affiliate, drain_all):
    claims(1)
    drain_all()
    others = AffiliateFactory(name="Ann")
    theirs = Connection.objects.create(
        platform=Platform.objects.get(slug="youtube"),
        affiliate=others,
        method="oauth",
        state="parked",
        parked_reason="auth: invalid_grant",
    )
    claims(2, start=1)
    note_failure(connection=lane_of("youtube"), error="unavailable: http_503")
    Job.objects.filter(post=claims(1, start=5)[0]).update(connection=theirs)
    with after(seconds=30):
        shown = staff.get(STATUS).json()
    assert (shown["status"], shown["truncated"]) == ("up", False)
    assert shown["breakers"] == [
        {
            "livemode": True,
            "state": "closed",
            "failures": 1,
            "opened": 0,
            "retry_at": None,
            "last_error": "unavailable: http_503",
            "changed_at": shown["breakers"][0]["changed_at"],
        }
    ]
    assert shown["due"] == {"looks": 3, "oldest_due_at": "2026-11-20T12:00:00Z"}
    own, parked = shown["lanes"]
    assert own == {
        "connection": str(lane_of("youtube").pk),
        "affiliate": None,
        "livemode": True,
        "state": "active",
        "parked_reason": "",
        "not_before": None,
        "last_success_at": "2026-11-20T12:00:00Z",
        "budget": {
            "rate_calls": 1_800,
            "rate_window_s": 60,
            "free_now": own["budget"]["free_now"],
            "quota": 10_000,
            "used": 1,
            "resets_at": "2026-11-21T08:00:00Z",
        },
        "due": {"looks": 2, "oldest_due_at": "2026-11-20T12:00:00Z"},
    }
    assert own["budget"]["free_now"] in (449, 450)
    assert parked["affiliate"] == {"id": str(others.pk), "name": "Ann"}
    assert (parked["state"], parked["parked_reason"]) == ("parked", "auth: invalid_grant")
    assert parked["due"]["looks"] == 1


def test_staff_who_come_as_people_see_both_modes_and_keys_their_own(client_of):
    user = UserFactory(is_staff=True)
    person = APIClient()
    person.force_login(user)
    assert [row["livemode"] for row in person.get(STATUS).json()["breakers"]] == [True, False]
    shown = client_of(user, livemode=False).get(STATUS).json()
    assert [row["livemode"] for row in shown["breakers"] + shown["lanes"]] == [False, False]


def test_a_connection_that_was_given_up_is_no_lane(staff, affiliate):
    Connection.objects.create(
        platform=Platform.objects.get(slug="youtube"), affiliate=affiliate, method="oauth", state="disconnected"
    )
    assert len(staff.get(STATUS).json()["lanes"]) == 1


def test_the_number_of_queries_does_not_grow_and_many_lanes_are_cut_short(staff, claims, monkeypatch):
    before = queries(staff, STATUS), queries(staff, LIST)
    for n in range(5):
        Connection.objects.create(
            platform=Platform.objects.get(slug="youtube"),
            affiliate=AffiliateFactory(),
            state="parked" if n == 3 else "active",
            last_call_at=TODAY + timedelta(minutes=n),
        )
    claims(5)
    assert (queries(staff, STATUS), queries(staff, LIST)) == before
    monkeypatch.setattr(health, "MAX_LANES", 3)
    shown = staff.get(STATUS).json()
    assert shown["truncated"]
    assert [row["affiliate"] is None for row in shown["lanes"]] == [True, False, False]
    assert [row["state"] for row in shown["lanes"]] == ["active", "parked", "active"]


# --- Looks on demand


def jobs_of(run_id):
    return Job.objects.filter(run_jobs__run=run_id)


@pytest.mark.parametrize("slash", ["", "/"])
def test_listed_posts_are_looked_at(staff, claims, drain_all, sandbox, slash):
    posts = claims(3)
    drain_all()
    calls = sandbox.state.data_calls("youtube")
    answer = staff.post(FETCH + slash, {"posts": [str(post.pk) for post in posts[:2]]})
    assert answer.status_code == 202
    run = Run.objects.get()
    shown = answer.json()
    assert answer["Location"] == f"http://testserver/api/v1/reconciliation/runs/{run.pk}"
    assert (shown["id"], shown["state"]) == (str(run.pk), "running")
    assert shown["looks"] == {"total": 2, "done": 0, "dead": 0, "discarded": 0, "pending": 2}
    assert shown["scope"] == {"platform": "youtube", "posts": [str(post.pk) for post in posts[:2]]}
    assert AuditEvent.objects.filter(action="run.requested", object_id=run.pk).exists()
    with after(seconds=5):
        assert drain_all() == 2
    assert sandbox.state.data_calls("youtube") == calls + 1
    assert staff.get(answer["Location"]).json()["state"] == "finished"


def test_a_post_of_another_platform_or_of_nobody_is_unknown(staff, claims):
    (ours,), (elsewhere,) = claims(1), claims(1, "x")
    for strange in (str(elsewhere.pk), UNKNOWN):
        body = {"posts": [str(ours.pk), strange]}
        unchanged(422, staff.post, FETCH, body, field="posts", code="unknown_post")


def test_a_key_reaches_posts_of_its_own_mode_only(client_of, claim, world_post, affiliate):
    person = UserFactory(is_staff=True)
    sandboxed = CampaignFactory(advertiser=AdvertiserFactory(livemode=False))
    listed = {"posts": [str(claim(affiliate, sandboxed, world_post(), 1).post.pk)]}
    unchanged(422, client_of(person).post, FETCH, listed, field="posts", code="unknown_post")
    assert unchanged(422, client_of(person).post, FETCH, {"all_due": True})["code"] == "no_posts"
    test_key = client_of(person, livemode=False)
    for body in (listed, {"all_due": True}):
        assert test_key.post(FETCH, body).json()["looks"]["total"] == 1


def test_all_that_is_due_joins_a_run_as_it_is(staff, claims, drain_all):
    claims(1)
    drain_all()
    due = claims(2, start=1)
    later = claims(1, start=3)
    Job.objects.filter(post=later[0]).update(due_at=TODAY + timedelta(hours=1))
    claims(1, "x")
    Job.objects.filter(post=due[0]).update(reason=Job.Reason.SECOND_LOOK, request_id="of-the-claim")
    before = list(Job.objects.order_by("pk").values())
    answer = staff.post(FETCH, {"all_due": True})
    assert answer.status_code == 202
    assert answer.json()["scope"] == {"platform": "youtube", "all_due": True}
    assert {job.post for job in jobs_of(answer.json()["id"])} == set(due)
    assert list(Job.objects.order_by("pk").values()) == before
    assert drain_all() == 3
    looks = staff.get(answer["Location"]).json()["looks"]
    assert looks == {"total": 2, "done": 2, "dead": 0, "discarded": 0, "pending": 0}


def test_of_more_than_a_run_takes_the_most_urgent_join(staff, claims, monkeypatch):
    monkeypatch.setattr(runs, "MAX_RUN_POSTS", 2)
    posts = claims(4)
    Job.objects.filter(post=posts[0]).update(urgent_at=TODAY)
    Job.objects.filter(post=posts[3]).update(urgent_at=TODAY - timedelta(days=1))
    run = staff.post(FETCH, {"all_due": True}).json()
    assert run["looks"]["total"] == 2
    assert posts[3] in {job.post for job in jobs_of(run["id"])}
    assert posts[0] not in {job.post for job in jobs_of(run["id"])}


def test_what_waits_in_a_parked_lane_or_is_being_looked_at_is_not_due(staff, claims):
    claims(1)
    leased()
    assert unchanged(422, staff.post, FETCH, {"all_due": True})["code"] == "no_posts"
    claims(1, start=1)
    park_connection(connection_id=lane_of("youtube").pk, reason="auth: gone")
    assert unchanged(422, staff.post, FETCH, {"all_due": True})["code"] == "no_posts"


def test_looks_on_demand_keep_to_the_budget_and_to_the_breaker(staff, claims, drain_all, sandbox):
    posts = claims(2)
    drain_all()
    calls = sandbox.state.data_calls("youtube")
    body = {"posts": [str(post.pk) for post in posts]}
    connection = lane_of("youtube")
    trip(connection)
    run = staff.post(FETCH, body).json()
    assert drain_all() == 0
    with after(seconds=15):
        assert drain_all() == 2
        assert sandbox.state.data_calls("youtube") == calls + 1
    configure(platform=connection.platform, by=UserFactory(is_staff=True), changes={"daily_quota": 2})
    with after(seconds=30):
        run = staff.post(FETCH, body).json()
        assert drain_all() == 0
        assert sandbox.state.data_calls("youtube") == calls + 1
        assert {job.attempts for job in jobs_of(run["id"])} == {0}
    with clock.at(connection.platform.budget.next_day(TODAY)):
        assert drain_all() == 2
    assert ReconciliationLog.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "posts"),
        ({"all_due": False}, "posts"),
        ({"posts": [UNKNOWN], "all_due": True}, "posts"),
        ({"posts": []}, "posts"),
        ({"posts": [UNKNOWN] * 501}, "posts"),
        ({"posts": ["nonsense"]}, "posts[0]"),
        ({"all_due": "true"}, "all_due"),
        ({"all_due": 1}, "all_due"),
        ({"all_due": None}, "all_due"),
        ({"campaign": UNKNOWN, "all_due": True}, "campaign"),
        ({"platform": "x", "all_due": True}, "platform"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_to_look_at_is_said_in_one_way(staff, claims, body, field):
    claims(1)
    unchanged(400, staff.post, FETCH, body, field=field)


def test_posts_that_are_given_and_everything_that_is_not_due_are_one_way(staff, claims):
    (post,) = claims(1)
    assert staff.post(FETCH, {"posts": [str(post.pk)], "all_due": False}).status_code == 202


def test_an_unknown_platform_is_not_there_and_only_staff_may_ask(staff, client_of, claims, affiliate):
    (post,) = claims(1)
    body = {"posts": [str(post.pk)]}
    unchanged(404, staff.post, f"{LIST}/nonsense/fetch", body)
    manager = MembershipFactory(advertiser=post.campaign.advertiser).user
    for user in (affiliate.user, manager):
        unchanged(403, client_of(user).post, FETCH, body)
    unchanged(403, client_of(UserFactory(is_staff=True), ("reconcile",)).post, FETCH, body)
    assert not RunJob.objects.exists()
