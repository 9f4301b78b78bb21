"""What a person reads: one plain, exact explanation for every verdict."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.metrics import PLATFORM_NAMES, VIEWS_LAG, Availability, Lag, LagBasis
from reconciliation.comparison import Claim, Denial, Figures, Looks, Rules, Status, Thresholds, Truth, judge
from reconciliation.rules import DEFAULT_CELLS, parse_matrix

CLAIMED_AT = datetime(2026, 11, 22, 9, 12, tzinfo=UTC)
RULES = parse_matrix(DEFAULT_CELLS).rules_for("any", "any", 1)
H = timedelta(hours=1)
FIVE_HOURS_OLD = CLAIMED_AT - 5 * H
LIVE, MISSING, DENIED = Availability.LIVE, Availability.MISSING, Availability.DENIED
AGAIN_MISSING = (Status.POST_MISSING,)


def explain(
    claimed,
    truth,
    *,
    platform="youtube",
    rules=RULES,
    availability=LIVE,
    deleted=False,
    after=timedelta(minutes=4, seconds=59),
    posted_at=None,
    previous=(),
    seen_live=False,
    claimed_at=CLAIMED_AT,
    denial=None,
):
    return judge(
        Claim(Figures(*claimed), claimed_at),
        Truth(Figures(*truth), availability, deleted, claimed_at + after, posted_at, denial),
        platform=platform,
        rules=rules,
        lags={"views": VIEWS_LAG[platform], "conversions": Lag(LagBasis.CLAIM_AGE, 72)},
        looks=Looks(previous, seen_live),
    ).explanation


def with_views(**limits):
    return Rules(1, {"views": Thresholds(**limits)})


@pytest.mark.parametrize(
    ("claimed", "truth", "outcome"),
    [
        (12_400, 10_100, "22.77 % over, above the 20 % limit"),
        (120_001, 100_000, "20.001 % over, above the 20 % limit"),
        (1_200_004, 1_000_000, "20.0004 % over, above the 20 % limit"),
        (12 * 10**11 // 2 + 1, 5 * 10**11, "20.0000000002 % over, above the 20 % limit"),
        (120_000, 100_000, "20.00 % over, within the 5 to 20 % band"),
        (1_199_999, 1_000_000, "20.00 % over, within the 5 to 20 % band"),
        (105_000, 100_000, "5.00 % over, within the 5 to 20 % band"),
        (104_900, 100_000, "4.90 % over, below the 5 % limit"),
        (104_999, 100_000, "4.999 % over, below the 5 % limit"),
        (1_049_999, 1_000_000, "4.9999 % over, below the 5 % limit"),
        (10_000, 100, "9,900.00 % over, above the 20 % limit"),
        (1_010, 1_000, "1.00 % over, below the 5 % limit"),
        (60, 40, "50.00 % over, but a gap of 20 views is below the floor of 50"),
        (1_049, 980, "7.04 % over, within the 5 to 20 % band"),
        (50, 0, "a count of 0 gives no percentage, and a gap of 50 views is not below the floor of 50"),
        (49, 0, "a count of 0 gives no percentage, and a gap of 49 views is below the floor of 50"),
        (1, 0, "a count of 0 gives no percentage, and a gap of 1 view is below the floor of 50"),
        (10_100, 10_100, "within the count"),
        (0, 12, "within the count"),
    ],
)
def test_the_outcome_names_the_limit_that_decided(claimed, truth, outcome):
    unit = "view" if claimed == 1 else "views"
    assert (
        explain((claimed,), (truth,))
        == f"Claimed {claimed:,} {unit}; YouTube counted {truth:,} four minutes later: {outcome}."
    )


@pytest.mark.parametrize(
    ("limits", "claimed", "truth", "outcome"),
    [
        ({"high_above_pct": Decimal("33.3333")}, 4, 3, "33.33333 % over, above the 33.3333 % limit"),
        ({"high_above_pct": Decimal("20.0170")}, 120_016, 100_000, "20.016 % over, within the 5 to 20.017 % band"),
        ({"high_above_pct": Decimal(1_000)}, 1_101, 100, "1,001.00 % over, above the 1,000 % limit"),
        ({"medium_from_pct": Decimal(0)}, 100_001, 100_000, "0.00 % over, within the 0 to 20 % band"),
    ],
)
def test_the_limits_of_the_rules_in_force_are_named(limits, claimed, truth, outcome):
    assert explain((claimed,), (truth,), rules=with_views(floor=0, **limits)).endswith(f": {outcome}.")


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_the_percentage_shown_lies_on_the_same_side_of_the_limits(claimed, truth):
    limits = Thresholds(floor=0)
    text = explain((claimed,), (truth,), rules=Rules(1, {"views": limits}))
    if claimed <= truth:
        assert text.endswith(": within the count.")
        return
    shown = Fraction(text.split(": ")[1].split(" % over")[0].replace(",", ""))
    assert limits.level_at(shown) is limits.level(claimed, truth)
    assert abs(shown - Fraction((claimed - truth) * 100, truth)) <= Fraction(1, 200)


@pytest.mark.parametrize(("platform", "name"), PLATFORM_NAMES.items())
def test_views_are_counted_by_the_platform(platform, name):
    source = "another source" if platform == "reddit" else name  # Reddit publishes no view count
    assert explain((7,), (7,), platform=platform).startswith(f"Claimed 7 views; {source} counted 7 ")


@pytest.mark.parametrize(
    ("claimed", "truth", "text"),
    [
        ((None, 1), (None, 1), "Claimed 1 click; our tracking counted 1 four minutes later: within the count."),
        (
            (None, None, 1),
            (None, None, 2),
            "Claimed 1 conversion; our tracking counted 2 four minutes later: within the count.",
        ),
    ],
)
def test_clicks_and_conversions_are_counted_by_our_tracking(claimed, truth, text):
    assert explain(claimed, truth, availability=None) == text


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (timedelta(), "the same minute"),
        (timedelta(seconds=59), "the same minute"),
        (timedelta(seconds=60), "one minute later"),
        (timedelta(minutes=12), "twelve minutes later"),
        (timedelta(minutes=13), "13 minutes later"),
        (timedelta(minutes=59, seconds=59), "59 minutes later"),
        (timedelta(minutes=60), "one hour later"),
        (timedelta(hours=23.9), "23 hours later"),
        (timedelta(hours=24), "one day later"),
        (timedelta(days=2), "two days later"),
        (timedelta(days=1_200), "1,200 days later"),
    ],
)
def test_durations_are_in_words_up_to_twelve(after, words):
    assert explain((7,), (7,), after=after) == f"Claimed 7 views; YouTube counted 7 {words}: within the count."


# Several metrics


@pytest.mark.parametrize(
    ("claimed", "truth", "text"),
    [
        (
            (110_000, 20, 3),
            (100_000, 10, 3),
            "Claimed 20 clicks; our tracking counted 10 four minutes later: 100.00 % over, above the 20 % limit. "
            "Views: 110,000 claimed, 100,000 counted (10.00 % over, within the 5 to 20 % band); "
            "conversions: 3 claimed, 3 counted (within the count).",
        ),
        (
            (900, 1_100),
            (None, 1_090),
            "Claimed 1,100 clicks; our tracking counted 1,090 four minutes later: 0.92 % over, below the 5 % limit. "
            "Views: 900 claimed (YouTube gave no view count).",
        ),
        (
            (900, 10, 3),
            (900, None, None),
            "Claimed 900 views; YouTube counted 900 four minutes later: within the count. "
            "Clicks: 10 claimed (our tracking counts no clicks for this post); "
            "conversions: 3 claimed (our tracking counts no conversions for this post).",
        ),
    ],
)
def test_the_worst_metric_comes_first_and_the_others_in_short(claimed, truth, text):
    assert explain(claimed, truth) == text


def test_lagging_figures_that_were_left_out_are_named():
    assert explain((3_000, 20), (1_000, 10), platform="tiktok", posted_at=FIVE_HOURS_OLD) == (
        "Claimed 20 clicks; our tracking counted 10 four minutes later: 100.00 % over, above the 20 % limit. "
        "Views: 3,000 claimed, 1,000 counted (not judged: TikTok's figures may lag 24 h after publication)."
    )


# Too early, and the second look


def test_too_early_says_why_and_when_the_next_look_is():
    assert explain((3_000,), (1_000,), posted_at=CLAIMED_AT) == (
        "Claimed 3,000 views; YouTube counted 1,000 four minutes later: 200.00 % over, above the 20 % limit. "
        "YouTube's figures may lag 24 h after publication. Second look on 23 Nov, 09:12 UTC."
    )


@pytest.mark.parametrize(
    ("claimed", "truth", "platform", "lag"),
    [
        ((3_000,), (1_000,), "instagram", "Instagram's figures may lag 48 h after the claim."),
        ((3_000,), (1_000,), "reddit", "Another source's figures may lag 1 h after publication."),
        ((None, None, 30), (None, None, 20), "x", "Tracked conversions may lag 72 h after the claim."),
        (
            (3_000, None, 30),
            (1_000, None, 20),
            "x",
            "X's figures may lag 1 h after publication and tracked conversions may lag 72 h after the claim.",
        ),
    ],
)
def test_each_window_that_matters_is_named(claimed, truth, platform, lag):
    text = explain(claimed, truth, platform=platform, posted_at=CLAIMED_AT)
    assert f" {lag} Second look on " in text


def test_the_next_look_is_told_in_utc():
    new_year_elsewhere = datetime(2027, 1, 1, 4, 5, 59, tzinfo=timezone(5 * H))
    text = explain((3_000,), (1_000,), claimed_at=new_year_elsewhere, posted_at=new_year_elsewhere - 24 * H + H)
    assert text.endswith("Second look on 1 Jan, 00:05 UTC.")


@pytest.mark.parametrize(
    ("truth", "text"),
    [
        (
            3_000,
            "Claimed 3,000 views; YouTube counted 3,000 one day later, at the second look: within the count. "
            "An earlier look was too early to tell, so trust does not change.",
        ),
        (
            2_940,
            "Claimed 3,000 views; YouTube counted 2,940 one day later, at the second look: 2.04 % over, "
            "below the 5 % limit. An earlier look was too early to tell, so trust does not change.",
        ),
        (
            1_000,
            "Claimed 3,000 views; YouTube counted 1,000 one day later, at the second look: 200.00 % over, "
            "above the 20 % limit.",
        ),
    ],
)
def test_the_second_look_says_what_came_of_it(truth, text):
    assert explain((3_000,), (truth,), after=24 * H, posted_at=CLAIMED_AT, previous=(Status.TOO_EARLY,)) == text


def test_further_looks_are_later_ones():
    text = explain((7,), (7,), after=48 * H, previous=(Status.POST_MISSING, Status.TOO_EARLY))
    assert text.startswith("Claimed 7 views; YouTube counted 7 two days later, at a later look: ")
    assert explain((7,), (), availability=MISSING, after=48 * H, previous=(Status.TOO_EARLY,)).endswith(
        "two days later, at the second look. Next look on 25 Nov, 09:12 UTC."
    )


# Nothing to judge


@pytest.mark.parametrize(
    ("platform", "claimed", "truth", "reason"),
    [
        ("reddit", (900,), (), "Claimed 900 views; Reddit publishes no view count"),
        ("youtube", (900,), (), "Claimed 900 views; YouTube gave no view count"),
        ("youtube", (None, 1), (), "Claimed 1 click; our tracking counts no clicks for this post"),
        (
            "reddit",
            (900, 10, 3),
            (),
            "Claimed 900 views, 10 clicks and 3 conversions; Reddit publishes no view count and our tracking "
            "counts no clicks or conversions for this post",
        ),
    ],
)
def test_a_claim_that_nobody_can_check_says_why(platform, claimed, truth, reason):
    assert explain(claimed, truth, platform=platform) == f"{reason}, so the claim cannot be checked."


def test_insights_that_are_not_there_yet_are_waited_for():
    assert explain((900,), (), platform="instagram") == (
        "Claimed 900 views; Instagram gave no view count, so the claim cannot be checked yet. "
        "Second look on 24 Nov, 09:12 UTC."
    )


def test_denied_access():
    assert explain((900, 10), (None, 10), platform="facebook", availability=DENIED) == (
        "Claimed 900 views and 10 clicks; Facebook did not let us read the post four minutes later, "
        "so the claim cannot be checked."
    )


@pytest.mark.parametrize(
    ("deleted", "answer"), [(False, "did not show the post"), (True, "showed the post as deleted")]
)
def test_a_missing_post_is_looked_for_again(deleted, answer):
    assert explain((900,), (), availability=MISSING, deleted=deleted) == (
        f"Claimed 900 views; YouTube {answer} four minutes later. Second look on 23 Nov, 09:16 UTC."
    )


@pytest.mark.parametrize(
    ("deleted", "seen_live", "text"),
    [
        (
            False,
            False,
            "did not show the post one day later, at the second look. "
            "It was missing at the look before as well and was never seen live, so trust does not change.",
        ),
        (
            False,
            True,
            "did not show the post one day later, at the second look. "
            "It was missing at the look before as well, and had been live earlier.",
        ),
        (
            True,
            False,
            "showed the post as deleted one day later, at the second look. It was missing at the look before as well.",
        ),
        (
            True,
            True,
            "showed the post as deleted one day later, at the second look. "
            "It was missing at the look before as well, and had been live earlier.",
        ),
    ],
)
def test_a_post_that_stays_missing(deleted, seen_live, text):
    again = {"availability": MISSING, "after": 25 * H, "previous": AGAIN_MISSING}
    assert explain((900,), (), deleted=deleted, seen_live=seen_live, **again) == f"Claimed 900 views; YouTube {text}"


@pytest.mark.parametrize(
    ("claimed", "above"),
    [
        ((10**12 + 1, 10), "1,000,000,000,001 views"),
        ((2 * 10**12, 10**13, 3), "2,000,000,000,000 views and 10,000,000,000,000 clicks"),
    ],
)
def test_an_impossible_claim_names_the_figures_that_are_too_high(claimed, above):
    assert explain(claimed, ()) == f"Claimed {above}, above the highest possible figure of 1,000,000,000,000."


@pytest.mark.parametrize(
    ("denial", "after", "sentence"),
    [
        (
            Denial.NOT_CONNECTED,
            timedelta(minutes=4),
            "Claimed 900 views; TikTok shows these figures to the account's owner alone, and the account is not "
            "connected, so the claim cannot be checked until it is. Second look on 6 Dec, 09:12 UTC.",
        ),
        (
            Denial.NOT_CONNECTED,
            timedelta(days=14),
            "Claimed 900 views; TikTok shows these figures to the account's owner alone, and the account is not "
            "connected, so the claim cannot be checked.",
        ),
        (
            Denial.NOT_LISTED,
            timedelta(minutes=4),
            "Claimed 900 views; TikTok shows no such post of the connected account, so the claim cannot be checked "
            "until it does. Second look on 6 Dec, 09:12 UTC.",
        ),
        (
            Denial.NOT_PROVEN,
            timedelta(minutes=4),
            "Claimed 900 views; the campaign takes posts of proven accounts only, and the author's is not proven to "
            "be the claimant's, so the claim cannot be checked until it is. Second look on 6 Dec, 09:12 UTC.",
        ),
    ],
)
def test_what_the_affiliate_can_change_is_said(denial, after, sentence):
    availability = LIVE if denial is Denial.NOT_PROVEN else DENIED
    said = explain((900,), (None,), platform="tiktok", availability=availability, denial=denial, after=after)
    assert said == sentence


@pytest.mark.parametrize(
    ("previous", "after", "sentence"),
    [
        (
            (),
            timedelta(minutes=4),
            "Claimed 900 views; the short link led to no post on X four minutes later. "
            "Second look on 23 Nov, 09:16 UTC.",
        ),
        (
            AGAIN_MISSING,
            timedelta(hours=24),
            "Claimed 900 views; the short link led to no post on X one day later, at the second look. "
            "So trust does not change.",
        ),
    ],
)
def test_a_short_link_that_leads_nowhere_is_said_to(previous, after, sentence):
    denial = Denial.NO_POST
    said = explain((900,), (None,), platform="x", availability=MISSING, denial=denial, after=after, previous=previous)
    assert said == sentence
