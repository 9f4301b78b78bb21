"""The demo's story: plain values from plain values."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from config.demo import cast, story
from config.demo.cast import Character
from platforms.metrics import VIEWS_LAG
from platforms.sandbox.world import SPAN, World

END = datetime(2026, 11, 20, 9, 17, 30, tzinfo=UTC)
WORLD = World(7, END - SPAN)


def told(*, days: int = 30, posts: int = 400, seed: int = 7) -> story.Story:
    return story.tell(WORLD, start=END - timedelta(days=days), end=END, posts=posts, seed=seed)


@pytest.fixture(scope="module")
def month() -> story.Story:
    return told()


@pytest.fixture(scope="module")
def claims(month: story.Story) -> list[story.PlannedClaim]:
    return [claim for session in month.sessions for claim in session.claims]


def test_the_cast_is_as_large_as_was_promised():
    assert len(cast.ADVERTISERS) == 3
    assert len(cast.OWNERS) == 12
    assert len({plan.email for plan in cast.AFFILIATES}) == len({plan.author for plan in cast.AFFILIATES}) == 40
    assert len({advertiser.currency for advertiser in cast.ADVERTISERS}) == 3
    assert len({advertiser.time_zone for advertiser in cast.ADVERTISERS}) == 3
    assert {plan.character for plan in cast.AFFILIATES} == set(Character)


def test_the_same_is_told_twice_and_another_seed_tells_another_story(month):
    assert told() == month
    assert told(seed=8) != month


def test_there_are_about_as_many_posts_as_were_asked_for_on_every_platform(month, claims):
    assert 390 <= month.posts <= 400
    platforms = Counter({claim.post.platform: 1 for claim in claims})
    assert set(platforms) == {"youtube", "reddit", "x"}
    assert {claim.affiliate.character for claim in claims} == set(Character)


def test_a_claim_comes_after_its_post_and_before_the_session_that_looks_at_it(month):
    for session in month.sessions:
        assert list(session.claims) == sorted(session.claims, key=lambda claim: claim.at)
        for claim in session.claims:
            assert month.start <= claim.post.published_at < claim.at < session.at <= END
            assert session.at - claim.at < timedelta(minutes=10)


def test_campaigns_get_claims_only_while_they_take_them(month, claims):
    moved = {(campaign.title, move): at for at, move, campaign in month.moves}
    for claim in claims:
        campaign = claim.campaign
        assert claim.post.platform in campaign.rates
        assert claim.post.subreddit in campaign.topics
        assert moved[campaign.title, story.Move.ACTIVATE] < claim.post.published_at
        assert claim.at < moved.get((campaign.title, story.Move.PAUSE), END)
        assert claim.at < story.day(END, campaign.ends_d + story.CLAIM_WINDOW_DAYS)


def test_what_lies_after_the_end_does_not_happen(month):
    assert all(at <= END for at, _, _ in month.moves)
    last = {campaign.title: move for _, move, campaign in month.moves}
    assert Counter(last.values()) == {
        story.Move.ACTIVATE: 7,
        story.Move.COMPLETE: 2,
        story.Move.PAUSE: 1,
        story.Move.CREATE: 2,
    }


@pytest.mark.parametrize("minute", range(0, 60, 12))
def test_no_view_of_a_young_post_is_to_be_looked_at_again_right_after_the_end(minute):
    end = END.replace(minute=minute)
    quiet = story.tell(WORLD, start=end - timedelta(days=3), end=end, posts=150, seed=minute)
    for session in quiet.sessions:
        for claim in session.claims:
            lag_ends = claim.post.published_at + timedelta(hours=VIEWS_LAG[claim.post.platform].hours)
            assert not (session.at < lag_ends and end <= lag_ends <= end + story.QUIET_AFTER)


def test_honest_ones_never_claim_more_than_there_is_and_dishonest_ones_do(claims: list[story.PlannedClaim]):
    over: Counter[Character] = Counter()
    for claim in claims:
        views = claim.post.figures_at(claim.at).views
        if claim.figures.views is not None and views is not None and claim.figures.views < 10**9:
            over[claim.affiliate.character] += claim.figures.views > views * 1.05
    assert over[Character.HONEST] == over[Character.CARELESS] == 0
    assert over[Character.DISHONEST] > 5
    assert over[Character.GENEROUS] > 0


def test_careless_ones_claim_what_nobody_can_verify(claims: list[story.PlannedClaim]):
    careless = [claim.figures for claim in claims if claim.affiliate.character is Character.CARELESS]
    assert any(figures.views is None and figures.clicks is not None for figures in careless)


def test_some_claim_what_is_anothers(claims: list[story.PlannedClaim]):
    claimants: dict[str, set[str]] = {}
    for claim in claims:
        claimants.setdefault(claim.post.external_id, set()).add(claim.affiliate.name)
    assert max(len(names) for names in claimants.values()) == 2


def test_a_world_of_other_days_has_no_story():
    with pytest.raises(ValueError, match="no posts of these days"):
        story.tell(WORLD, start=END + timedelta(days=40), end=END + timedelta(days=70), posts=10, seed=7)
