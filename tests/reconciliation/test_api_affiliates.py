"""What the API tells of one affiliate: their posts as they stand, and how far their claims can be relied on."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from config import clock
from reconciliation.models import ReconciliationLog, TrustScore
from tests import hostile
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, MembershipFactory, UserFactory
from tests.reconciliation.support import queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def affiliate():
    return AffiliateFactory()


@pytest.fixture
def ours():
    """Our campaign."""
    return CampaignFactory()


@pytest.fixture
def theirs():
    """Another advertiser's."""
    return CampaignFactory()


@pytest.fixture
def own(client_of, affiliate):
    return client_of(affiliate.user)


@pytest.fixture
def member(client_of, ours):
    return client_of(MembershipFactory(advertiser=ours.advertiser, role="viewer").user)


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True))


@pytest.fixture
def submissions(affiliate):
    return f"/api/v1/affiliates/{affiliate.pk}/submissions"


@pytest.fixture
def performance(affiliate):
    return f"/api/v1/affiliates/{affiliate.pk}/performance"


@pytest.fixture
def claims(claim, drain_all, world_post, affiliate, ours, theirs):
    """In our campaign an honest claim, a lie and views on Reddit; in theirs an honest one, and one not judged yet."""
    for hours, (campaign, post, times) in enumerate(
        [
            (ours, world_post("youtube"), 1),
            (ours, world_post("youtube", 1), 2),
            (ours, world_post("reddit"), None),
            (theirs, world_post("x"), 1),
        ]
    ):
        with clock.at(TODAY + timedelta(hours=hours)):
            views = 900 if times is None else post.figures_at(TODAY).views * times
            claim(affiliate, campaign, post, views)
            drain_all()
    claim(affiliate, theirs, world_post("x", 1), 7)


def _urls(answer):
    assert answer.status_code == 200, answer.content
    return [row["url"] for row in answer.json()["results"]]


# --- Posts


@pytest.mark.parametrize("slash", ["", "/"])
def test_own_posts_newest_first_each_as_it_stands(own, claims, submissions, slash):
    answer = own.get(submissions + slash)
    shown = answer.json()["results"]
    assert [row["platform"] for row in shown[:2]] == ["x", "reddit"]
    by_claim = {row["claim"]["claimed_views"]: row for row in shown}
    assert [by_claim[7]["state"], by_claim[900]["state"]] == ["pending", "final"]
    (lie,) = (row for row in shown if row["verdict"] and row["verdict"]["discrepancy_level"])
    assert (lie["platform"], lie["verdict"]["discrepancy_level"]) == ("youtube", "HIGH")
    assert "money_at_risk" not in lie["verdict"]
    assert own.get(lie["links"]["self"]).json() == lie


def test_advertisers_people_see_the_posts_in_their_campaigns_only(member, staff, claims, submissions, ours):
    assert len(_urls(staff.get(submissions))) == 5
    shown = member.get(submissions).json()["results"]
    assert {row["campaign"]["id"] for row in shown} == {str(ours.pk)}
    assert len(shown) == 3
    assert all("money_at_risk" in row["verdict"] for row in shown)


@pytest.mark.parametrize(
    ("query", "n"),
    [("platform=youtube", 2), ("from=2026-11-20T13:00:00Z&to=2026-11-20T15:00:00Z", 2), ("limit=4", 4), ("offset=4", 1),
     ("page_size=3", 3)],
)  # fmt: skip
def test_posts_can_be_narrowed_and_leafed_through(own, claims, submissions, query, n):
    assert len(_urls(own.get(f"{submissions}?{query}"))) == n


def test_posts_of_one_campaign(own, claims, submissions, theirs):
    assert len(_urls(own.get(f"{submissions}?campaign={theirs.pk}"))) == 2


@pytest.mark.parametrize("query", ["platform=%00", "campaign=1", "limit=999", "status=x", "cursor=x"])
def test_a_query_that_makes_no_sense_is_refused(own, submissions, query):
    hostile.assert_problem(own.get(f"{submissions}?{query}"), 400)


# --- Performance


def _figures(found):
    trust = found["trust"]
    return trust["trust_score"], trust["total_submissions"], trust["accurate_submissions"]


def test_performance_shows_trust_with_its_counts_and_the_latest_change(own, claims, performance, affiliate):
    found = own.get(performance).json()
    score = TrustScore.objects.get(affiliate=affiliate)
    assert found["affiliate"] == {"id": str(affiliate.pk), "name": affiliate.name}
    outcomes = {"MATCHED": 2, "LOW": 0, "MEDIUM": 0, "HIGH": 1, "POST_MISSING": 0, "INVALID_CLAIM": 0}
    assert found["trust"] == {
        "trust_score": str(score.trust_score),
        "total_submissions": score.total_submissions,
        "accurate_submissions": score.accurate_submissions,
        "outcomes": outcomes,
        "interval": {"low": "0.2077", "high": "0.9385"},
        "policy": "accuracy",
        "summary": "0.67 from 3 posts: too few to tell, 0.21 to 0.94 are likely.",
        "to_raise": "1 more accurate post brings it from 0.67 to 0.75.",
    }
    assert found["overall_score"] == found["trust"]["trust_score"] == "0.6667"
    assert found["history"] == [{"day": "2026-11-20", "trust_score": "0.6667", "outcomes": outcomes}]
    assert found["claims"] == {
        "claims": 5,
        "open": 1,
        "by_status": {"MATCHED": 2, "DISCREPANCY": 1, "UNVERIFIABLE": 1},
        "by_level": {"HIGH": 1},
    }
    assert [(row["platform"], row["claims"], row["open"]) for row in found["platforms"]] == [
        ("reddit", 1, 0),
        ("x", 2, 1),
        ("youtube", 2, 0),
    ]
    scores = {row["platform"]: row["trust"]["trust_score"] for row in found["platforms"]}
    assert scores == {"reddit": "1.0000", "x": "1.0000", "youtube": "0.5000"}
    assert [row["trust"]["total_submissions"] for row in found["platforms"]] == [0, 1, 2]
    latest = ReconciliationLog.objects.get(post__platform__slug="x")
    assert [row["outcome"] for row in found["reasons"]] == ["MATCHED", "HIGH", "MATCHED"]
    assert found["latest_change"] == found["reasons"][0]
    assert found["latest_change"] == {
        "at": latest.processed_at.isoformat().replace("+00:00", "Z"),
        "trust_effect": "ACCURATE",
        "outcome": "MATCHED",
        "post": str(latest.post_id),
        "result": str(latest.pk),
        "explanation": latest.explanation,
    }


def test_advertisers_people_see_what_their_own_campaigns_say(member, staff, own, claims, performance):
    assert staff.get(performance).json() == own.get(performance).json()
    found = member.get(f"{performance}/").json()
    assert _figures(found) == ("0.5000", 2, 1)
    assert found["overall_score"] == "0.6667"
    assert (found["claims"]["claims"], found["claims"]["open"]) == (3, 0)
    assert [row["platform"] for row in found["platforms"]] == ["reddit", "youtube"]
    assert [row["outcome"] for row in found["reasons"]] == ["HIGH", "MATCHED"]
    assert [row["outcomes"]["MATCHED"] for row in found["history"]] == [1]


def test_repeating_an_honest_claim_earns_nothing(own, claim, drain_all, world_post, affiliate, ours, performance):
    post = world_post()
    views = post.figures_at(TODAY).views
    for hours, figure in enumerate([views * 2, views, views - 1, views - 2]):
        with clock.at(TODAY + timedelta(hours=hours)):
            claim(affiliate, ours, post, figure)
            drain_all()
    found = own.get(performance).json()
    assert _figures(found) == ("1.0000", 1, 1)
    assert found["claims"]["claims"] == 4


def test_who_has_claimed_nothing_yet_has_full_trust(own, performance):
    found = own.get(performance).json()
    assert _figures(found) == ("1.0000", 0, 0)
    assert (found["trust"]["interval"], found["overall_score"]) == (None, None)
    assert (found["reasons"], found["history"]) == ([], [])
    assert (found["claims"]["claims"], found["platforms"], found["latest_change"]) == (0, [], None)


def test_a_test_key_counts_test_claims_only(client_of, claim, drain_all, world_post, claims, affiliate, performance):
    campaign = CampaignFactory(advertiser=AdvertiserFactory(livemode=False))
    claim(affiliate, campaign, world_post(), 1)
    drain_all()
    assert client_of(affiliate.user, livemode=False).get(performance).json()["claims"]["claims"] == 1


# --- Both


def test_an_affiliate_does_not_exist_for_who_has_nothing_to_do_with_them(
    client_of, member, claims, submissions, performance
):
    outsider = AffiliateFactory()
    people = [outsider.user, MembershipFactory().user, UserFactory()]
    for address in (submissions, performance):
        for user in people:
            hostile.assert_problem(client_of(user).get(address), 404)
        hostile.assert_problem(APIClient().get(address), 401)
        hostile.assert_problem(member.get(address.replace(address.split("/")[4], str(outsider.pk))), 404)
        hostile.assert_problem(member.post(address, {}), 405)


@pytest.mark.parametrize("segment", hostile.IDS)
def test_what_is_no_identifier_is_no_address(staff, segment):
    for rest in ("submissions", "performance"):
        hostile.assert_problem(staff.get(f"/api/v1/affiliates/{segment}/{rest}"), 404)


def test_reading_takes_few_queries_however_much_there_is(
    own, member, staff, claim, affiliate, ours, world_post, claims, submissions, performance, drain_all
):
    """Key, affiliate, own advertisers, posts; or rules, trust, its reasons, verdicts and open claims."""
    for index in range(2, 4):
        assert (queries(own, submissions), queries(member, submissions), queries(staff, submissions)) == (5, 5, 4)
        assert (queries(own, performance), queries(member, performance), queries(staff, performance)) == (8, 8, 7)
        with clock.at(TODAY + timedelta(hours=index * 3)):
            claim(affiliate, ours, world_post("youtube", index), 1)
            drain_all()
