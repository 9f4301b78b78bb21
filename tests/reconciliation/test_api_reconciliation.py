"""Looks on demand, and the verdicts, through the API."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from affiliates.models import AuditEvent
from campaigns.models import Post
from config import clock
from reconciliation.models import Job, ReconciliationLog, Run, RunJob
from reconciliation.services import runs
from tests import hostile
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.reconciliation.support import NEVER_THERE, queries, unchanged

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

RUN, RUNS, RESULTS = (f"/api/v1/reconciliation/{name}" for name in ("run", "runs", "results"))
UNKNOWN = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def ours():
    """Our campaign."""
    return CampaignFactory()


@pytest.fixture
def manager(client_of, ours):
    return client_of(MembershipFactory(advertiser=ours.advertiser).user)


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True))


@pytest.fixture
def affiliate():
    return AffiliateFactory()


@pytest.fixture
def settled(claim, drain_all, world_post, ours, affiliate):
    """Four judged claims: two of one affiliate in our campaign, an over-claim of another, and one in a campaign of
    strangers."""
    theirs = CampaignFactory()
    liar = AffiliateFactory()
    claims = {}
    for hours, (name, who, campaign, post, times) in enumerate(
        [
            ("honest", affiliate, ours, world_post("youtube"), 1),
            ("low", affiliate, ours, world_post("x"), 1.04),
            ("high", liar, ours, world_post("youtube", 1), 2),
            ("strange", affiliate, theirs, world_post("youtube", 2), 1.1),
        ]
    ):
        with clock.at(TODAY + timedelta(hours=hours)):
            claims[name] = claim(who, campaign, post, int(post.figures_at(TODAY).views * times))
            drain_all()
    return claims


def _posts_of(run_id):
    return set(Job.objects.filter(run_jobs__run=run_id).values_list("post", flat=True))


# --- Runs


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_manager_has_the_posts_of_a_campaign_looked_at_again(manager, settled, ours, slash, drain_all):
    answer = manager.post(RUN + slash, {"campaign": str(ours.pk)})
    assert answer.status_code == 202
    run = Run.objects.get()
    shown = answer.json()
    assert answer["Location"] == f"http://testserver{RUNS}/{run.pk}"
    assert (shown["id"], shown["state"], shown["scope"]) == (str(run.pk), "running", {"campaign": str(ours.pk)})
    assert shown["looks"] == {"total": 3, "done": 0, "dead": 0, "discarded": 0, "pending": 3}
    assert shown["requested_by"]["id"] == str(run.requested_by_id)
    assert _posts_of(run.pk) == {settled[name].post.pk for name in ("honest", "low", "high")}
    assert AuditEvent.objects.filter(action="run.requested", object_id=run.pk).exists()
    Job.objects.filter(post=settled["high"].post, state="due").update(state="dead")
    drain_all()
    found = manager.get(answer["Location"]).json()
    assert found["state"] == "finished"
    assert found["looks"] == {"total": 3, "done": 2, "dead": 1, "discarded": 0, "pending": 0}
    assert ReconciliationLog.objects.count() == 4  # a counted verdict stands


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ({}, ["honest", "low", "high", "strange"]),
        ({"platform": "x"}, ["low"]),
        ({"platform": "youtube", "from": "2026-11-20T13:00:00Z"}, ["high", "strange"]),
        ({"from": "2026-11-20T13:00:00Z", "to": "2026-11-20T14:00:00Z"}, ["low"]),
        ({"to": "2026-11-20T14:00:00+02:00"}, []),
    ],
)
def test_staff_may_ask_for_anything(staff, settled, scope, names):
    if not names:
        assert unchanged(422, staff.post, RUN, scope)["code"] == "no_posts"
        return
    answer = staff.post(RUN, scope)
    assert answer.status_code == 202
    assert _posts_of(answer.json()["id"]) == {settled[name].post.pk for name in names}


def test_a_run_of_one_affiliate_is_within_the_managers_own_campaigns(manager, staff, settled, affiliate):
    scope = {"affiliate": str(affiliate.pk)}
    assert manager.post(RUN, scope).json()["looks"]["total"] == 2
    assert staff.post(RUN, scope).json()["looks"]["total"] == 3


def test_a_run_of_listed_posts(manager, settled):
    own, strange = str(settled["honest"].post.pk), str(settled["strange"].post.pk)
    assert _posts_of(manager.post(RUN, {"posts": [own, own]}).json()["id"]) == {settled["honest"].post.pk}
    for posts in ([own, strange], [UNKNOWN]):
        unchanged(422, manager.post, RUN, {"posts": posts}, field="posts", code="unknown_post")


def test_a_look_that_is_due_already_joins_the_run(staff, claim, world_post, ours):
    post = claim(AffiliateFactory(), ours, world_post(), 1).post
    Job.objects.update(due_at=TODAY + timedelta(hours=9))
    first, second = (staff.post(RUN, {"posts": [str(post.pk)]}).json()["id"] for _ in range(2))
    job = Job.objects.get()
    assert (job.due_at, job.reason) == (TODAY, Job.Reason.SUBMISSION)
    assert set(RunJob.objects.values_list("run", "job")) == {(run.pk, job.pk) for run in Run.objects.all()}
    assert first != second


@pytest.mark.parametrize(
    ("scope", "status", "field", "code"),
    [
        ({}, 422, None, "scope_required"),
        ({"campaign": UNKNOWN}, 422, "campaign", "unknown_campaign"),
        ({"platform": "myspace"}, 422, "platform", "unknown_platform"),
        ({"campaign": "x"}, 400, "campaign", "invalid"),
        ({"posts": []}, 400, "posts", "min_length"),
        ({"posts": [UNKNOWN] * 501}, 400, "posts", "max_length"),
        ({"posts": UNKNOWN}, 400, "posts", "not_a_list"),
        ({"from": "yesterday"}, 400, "from", "invalid"),
        ({"from": 5}, 400, "from", "invalid"),
        ({"to": "0001-01-01T00:00:00+14:00"}, 400, "to", "overflow"),
        ({"everything": True}, 400, "everything", "unknown_field"),
    ],
)
def test_a_scope_that_makes_no_sense_is_refused(manager, settled, scope, status, field, code):
    document = unchanged(status, manager.post, RUN, scope)
    found = document["errors"][0] if document["errors"] else {"field": None, "code": document["code"]}
    assert (found["field"].split("[")[0] if found["field"] else None, found["code"]) == (field, code)


def test_strangers_campaigns_are_unknown_to_managers(manager, settled):
    strange = settled["strange"].post.campaign
    unchanged(422, manager.post, RUN, {"campaign": str(strange.pk)}, field="campaign", code="unknown_campaign")


def test_a_run_is_bounded(staff, settled, monkeypatch):
    monkeypatch.setattr(runs, "MAX_RUN_POSTS", 3)
    assert unchanged(422, staff.post, RUN, {})["code"] == "too_many_posts"


@pytest.mark.parametrize("raw", hostile.BODIES, ids=str)
def test_no_hostile_body_starts_a_run(staff, settled, raw):
    unchanged(raw.status, staff.post, RUN, data=raw.body, content_type=raw.content_type)


def test_viewers_analysts_affiliates_and_strangers_start_nothing(client_of, settled, ours):
    people = [MembershipFactory(advertiser=ours.advertiser, role=role).user for role in ("viewer", "analyst")]
    people += [settled["honest"].post.affiliate.user, UserFactory()]
    scope = {"campaign": str(ours.pk)}
    apis = [client_of(user) for user in people]
    apis.append(client_of(MembershipFactory(advertiser=ours.advertiser).user, ("read",)))
    for api in apis:
        unchanged(403, api.post, RUN, scope)
    unchanged(401, APIClient().post, RUN, scope)


def test_a_run_is_seen_by_who_asked_and_by_staff(manager, staff, client_of, settled, ours):
    where = manager.post(RUN, {"campaign": str(ours.pk)})["Location"]
    colleague = client_of(MembershipFactory(advertiser=ours.advertiser).user)
    for api, status, n in ((manager, 200, 1), (staff, 200, 1), (colleague, 404, 0)):
        assert api.get(where).status_code == status
        assert len(api.get(RUNS).json()["results"]) == n
    hostile.assert_problem(manager.get(f"{RUNS}/{UNKNOWN}"), 404)


def test_a_test_key_asks_for_and_sees_test_runs_only(client_of, claim, settled, world_post):
    person = UserFactory(is_staff=True)
    live, test = client_of(person), client_of(person, livemode=False)
    tried = claim(AffiliateFactory(), CampaignFactory(advertiser=AdvertiserFactory(livemode=False)), world_post(), 1)
    test_run, live_run = test.post(RUN, {}), live.post(RUN, {"platform": "x"})
    assert _posts_of(test_run.json()["id"]) == {tried.post.pk}
    for api, own, other in ((live, live_run, test_run), (test, test_run, live_run)):
        assert [row["id"] for row in api.get(RUNS).json()["results"]] == [own.json()["id"]]
        assert api.get(other["Location"]).status_code == 404


# --- Results


def _statuses(answer):
    assert answer.status_code == 200, answer.content
    return [(row["status"], row["discrepancy_level"]) for row in answer.json()["results"]]


def test_a_result_has_all_that_the_verdict_was_drawn_from(manager, settled, ours):
    verdict = ReconciliationLog.objects.get(post=settled["high"].post)
    truth = settled["high"].claim.claimed_views // 2
    found = manager.get(f"{RESULTS}/{verdict.pk}").json()
    assert (found["status"], found["discrepancy_level"], found["counted"]) == ("DISCREPANCY", "HIGH", True)
    assert (found["money_at_risk"], found["currency"]) == (str(verdict.money_at_risk), "USD")
    assert found["ruleset_version"] == 1
    assert (found["confidence"], found["trust_effect"]) == ("1.000", "INACCURATE")
    assert found["explanation"] == verdict.explanation
    assert found["claim"]["claimed_views"] == truth * 2
    assert found["truth"]["views"] == truth
    assert found["truth"]["definitions"]["views"] == found["metrics"]["views"]["definition"]
    assert found["metrics"]["views"]["percentage"] == "100.00"
    assert found["campaign"]["id"] == str(ours.pk)
    assert found["affiliate"]["id"] == str(verdict.post.affiliate_id)
    assert found["post"] == {"id": str(verdict.post_id), "url": verdict.post.url, "platform": "youtube"}
    assert manager.get(RESULTS).json()["results"][0] == found


def test_everybody_sees_the_verdicts_that_concern_them(manager, staff, client_of, settled, affiliate):
    matched, low, high = ("MATCHED", None), ("DISCREPANCY", "LOW"), ("DISCREPANCY", "HIGH")
    strange = ("DISCREPANCY", "MEDIUM")
    assert _statuses(manager.get(RESULTS)) == [high, low, matched]
    assert _statuses(staff.get(f"{RESULTS}/")) == [strange, high, low, matched]
    own = client_of(affiliate.user)
    assert _statuses(own.get(RESULTS)) == [strange, low, matched]
    assert not {"money_at_risk", "currency", "ruleset_version"} & set(own.get(RESULTS).json()["results"][0])
    lie = ReconciliationLog.objects.get(post=settled["high"].post)
    for api in (own, client_of(UserFactory()), client_of(MembershipFactory().user)):
        hostile.assert_problem(api.get(f"{RESULTS}/{lie.pk}"), 404)


def test_a_person_on_both_sides_sees_the_money_of_their_own_side_only(client_of, settled, ours, affiliate):
    MembershipFactory(advertiser=ours.advertiser, user=affiliate.user, role="viewer")
    shown = client_of(affiliate.user).get(RESULTS).json()["results"]
    assert {row["campaign"]["id"] == str(ours.pk): "money_at_risk" in row for row in shown} == {
        True: True,
        False: False,
    }


@pytest.mark.parametrize(
    ("query", "levels"),
    [
        ("status=MATCHED", [None]),
        ("status=DISCREPANCY", ["MEDIUM", "HIGH", "LOW"]),
        ("level=HIGH", ["HIGH"]),
        ("platform=x", ["LOW"]),
        ("from=2026-11-20T13:00:00Z&to=2026-11-20T15:00:00Z", ["HIGH", "LOW"]),
        ("counted=true", ["MEDIUM", "HIGH", "LOW", None]),
        ("counted=false", []),
        ("page_size=2", ["MEDIUM", "HIGH"]),
        (f"post={UNKNOWN}", []),
    ],
)
def test_results_can_be_narrowed(staff, settled, query, levels):
    assert [level for _, level in _statuses(staff.get(f"{RESULTS}?{query}"))] == levels


def test_results_of_a_post_a_campaign_and_an_affiliate(staff, settled, ours, affiliate):
    for query, n in (
        (f"post={settled['low'].post.pk}", 1),
        (f"campaign={ours.pk}", 3),
        (f"affiliate={affiliate.pk}&campaign={ours.pk}", 2),
    ):
        assert len(_statuses(staff.get(f"{RESULTS}?{query}"))) == n


def test_a_provisional_verdict_is_not_counted(staff, claim, drain_all, world_post, ours):
    gone = world_post()
    claim(AffiliateFactory(), ours, gone, 1)
    Post.objects.update(external_id="AAAAAAAAAAA", url=NEVER_THERE)
    drain_all()
    (found,) = staff.get(f"{RESULTS}?counted=false").json()["results"]
    assert (found["status"], found["next_look_at"]) == ("POST_MISSING", "2026-11-21T12:00:00Z")
    assert (found["truth"]["availability"], found["metrics"]["views"]["truth"]) == ("missing", None)
    assert staff.get(f"{RESULTS}?counted=true").json()["results"] == []


@pytest.mark.parametrize(
    "query",
    ["status=matched", "status=nonsense", "level=SEVERE", "counted=yes", "campaign=1", "post=%00", "from=x", "cursor=x",
     "page_size=0", "limit=5", "nonsense=1"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(staff, query):
    hostile.assert_problem(staff.get(f"{RESULTS}?{query}"), 400)


@pytest.mark.parametrize("segment", hostile.IDS)
def test_what_is_no_identifier_is_no_address(staff, segment):
    for address in (RUNS, RESULTS):
        hostile.assert_problem(staff.get(f"{address}/{segment}"), 404)


def test_lists_take_few_queries_however_long_they_are(manager, staff, settled, ours, claim, drain_all, world_post):
    """Key, what the caller manages or belongs to, rows; for runs their progress."""
    for n in range(2):
        run = manager.post(RUN, {"campaign": str(ours.pk)}).json()["id"]
        with clock.at(TODAY + timedelta(hours=9 + n)):
            claim(AffiliateFactory(), ours, world_post("youtube", 9 + n), 1)
            drain_all()
        assert queries(manager, RESULTS) == 4
        assert queries(staff, RESULTS) == 3
        assert queries(staff, f"{RESULTS}/{ReconciliationLog.objects.latest('processed_at').pk}") == 3
        assert queries(manager, RUNS) == 3
        assert queries(manager, f"{RUNS}/{run}") == 5
