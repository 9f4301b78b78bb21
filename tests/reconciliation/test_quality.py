"""Data-quality rules: what each notices, at its edges, and how staff set them."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.comparison import Figures
from reconciliation.quality import RULES, Compared, Facts, parse_quality
from reconciliation.quality.base import Rule
from reconciliation.quality.undisclosed import discloses
from reconciliation.rules import Level, RuleMatrixError

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
PLAIN = Facts(platform="youtube", claimed=Figures(1_234, 12, 3), claimed_at=AT)
ALL = parse_quality({})
DAYS = (date(2026, 10, 1), date(2026, 10, 31))


def noticed(facts: Facts) -> dict[str, str]:
    return {each.rule: each.sentence for each in ALL.examine(facts)}


def views(number: int, **others: Any) -> Facts:
    return replace(PLAIN, claimed=Figures(number), **others)


def pairs(*figures: tuple[int, int]) -> tuple[Compared, ...]:
    return tuple(Compared(Figures(claimed), Figures(counted)) for claimed, counted in figures)


def said(*figures: int) -> tuple[Compared, ...]:
    return tuple(Compared(Figures(each)) for each in figures)


CASES = [
    ("impossible_figures", views(20_000_000_000), None),
    (
        "impossible_figures",
        views(20_000_000_001),
        "Claims 20,000,000,001 views, more than 20,000,000,000: no post has had as many.",
    ),
    ("clicks_above_views", replace(PLAIN, claimed=Figures(10, 10)), None),
    ("clicks_above_views", replace(PLAIN, claimed=Figures(10, 11)), "Claims 11 clicks on 10 views."),
    ("clicks_above_views", replace(PLAIN, claimed=Figures(None, 11)), None),
    ("conversions_above_clicks", replace(PLAIN, claimed=Figures(None, 3, 3)), None),
    (
        "conversions_above_clicks",
        replace(PLAIN, claimed=Figures(None, 3, 4)),
        "Claims 4 conversions from 3 clicks.",
    ),
    ("falling_claim", replace(PLAIN, earlier=Figures(1_234, 12, 3)), None),
    ("falling_claim", replace(PLAIN, earlier=Figures(None, None, None)), None),
    (
        "falling_claim",
        replace(PLAIN, earlier=Figures(1_300, 12, 4)),
        "Claims 1,234 views after 1,300 and 3 conversions after 4 in the claim before.",
    ),
    ("round_numbers", views(5_000, recent=said(4_000, 3_100, 2_000)), None),
    ("round_numbers", views(5_000, recent=said(4_000, 3_110, 2_000, 1_000)), None),
    ("round_numbers", views(5_001, recent=said(4_000, 3_100, 2_000, 1_000, 2_200)), None),
    ("round_numbers", views(900, recent=said(4_000, 3_100, 2_000, 1_000, 2_200)), None),
    (
        "round_numbers",
        views(5_000, recent=said(4_000, 3_100, 300, 2_000, 1_000, 7_777)),
        "The last 5 claims of views are all round numbers: 5,000, 4,000, 3,100, 2,000, 1,000.",
    ),
    ("jump", views(4_999, usual_views=1_000, platforms_usual_views=1_000), None),
    ("jump", views(999, usual_views=1), None),
    ("jump", views(5_000, usual_views=0), None),
    (
        "jump",
        views(12_000, usual_views=2_000, platforms_usual_views=10_000),
        "Claims 12,000 views, 6 times the affiliate's usual 2,000.",
    ),
    ("few_followers", views(5_000, followers=100), None),
    ("few_followers", views(4_999, followers=0), None),
    ("few_followers", views(5_000), None),
    ("few_followers", views(5_000, followers=99), "Claims 5,000 views on an account of 99 followers."),
    ("out_of_proportion", views(20_000, likes=7, comments=3), None),
    ("out_of_proportion", views(9_999, likes=0, comments=0), None),
    ("out_of_proportion", views(20_001, likes=None, comments=3), None),
    (
        "out_of_proportion",
        views(20_001, likes=7, comments=3),
        "Claims 20,001 views beside 7 likes and 3 comments.",
    ),
    (
        "out_of_proportion",
        views(20_001, likes=-7, comments=3, platform="reddit"),
        "Claims 20,001 views beside a score of -7 and 3 comments.",
    ),
    ("constant_factor", views(1_100, truth=Figures(1_000), recent=pairs((2_200, 2_000), (3_300, 3_000))), None),
    (
        "constant_factor",
        views(1_100, truth=Figures(1_000), recent=pairs((2_200, 2_000), (3_300, 3_000), (1_300, 1_000))),
        None,
    ),
    (
        "constant_factor",
        views(1_020, truth=Figures(1_000), recent=pairs((2_040, 2_000), (3_060, 3_000), (1_020, 1_000))),
        None,
    ),
    (
        "constant_factor",
        views(1_100, truth=Figures(1_000), recent=pairs((2_200, 2_000), (9, 1), (3_310, 3_000), (1_099, 1_000))),
        "The last 4 claims of views all are 1.10 times what was counted.",
    ),
    ("same_figures", replace(PLAIN, posts_with_these_figures=1), None),
    ("same_figures", replace(PLAIN, claimed=Figures(99), posts_with_these_figures=9), None),
    (
        "same_figures",
        replace(PLAIN, posts_with_these_figures=2),
        "The same figures are claimed for 2 other posts.",
    ),
    ("several_claimants", replace(PLAIN, other_claimants=1), "The post was also claimed by another affiliate."),
    ("several_claimants", replace(PLAIN, other_claimants=2), "The post was also claimed by 2 other affiliates."),
    ("author_not_proven", replace(PLAIN, is_author_proven=True), None),
    (
        "author_not_proven",
        replace(PLAIN, is_author_proven=False),
        "The account that published the post is not proven to be the affiliate's.",
    ),
    ("outside_campaign", replace(PLAIN, posted_on=DAYS[0], campaign_days=DAYS), None),
    ("outside_campaign", replace(PLAIN, posted_on=DAYS[1], campaign_days=DAYS), None),
    (
        "outside_campaign",
        replace(PLAIN, posted_on=date(2026, 9, 30), campaign_days=DAYS),
        "Published on 2026-09-30, before the campaign began on 2026-10-01.",
    ),
    (
        "outside_campaign",
        replace(PLAIN, posted_on=date(2026, 11, 1), campaign_days=DAYS),
        "Published on 2026-11-01, after the campaign ended on 2026-10-31.",
    ),
    ("burst", replace(PLAIN, claims_within_an_hour=49), None),
    ("burst", replace(PLAIN, claims_within_an_hour=50), "The affiliate made 50 claims within an hour."),
    ("undisclosed", replace(PLAIN, disclosed=True), None),
    (
        "undisclosed",
        replace(PLAIN, disclosed=False),
        "Nothing in the post's text, such as #ad or #sponsored, says that it is advertising.",
    ),
]


@pytest.mark.parametrize(("rule", "facts", "sentence"), CASES)
def test_what_a_rule_notices(rule: str, facts: Facts, sentence: str | None):
    assert noticed(facts).get(rule) == sentence


@pytest.mark.parametrize(
    ("text", "label", "disclosed"),
    [
        ("New shoes! #AD", None, True),
        ("Neue Schuhe (#Werbung)", False, True),
        ("Anzeige | Neue Schuhe", None, True),
        ("shoes", True, True),
        (None, True, True),
        (None, False, None),
        (None, None, None),
        ("", None, False),
        ("I am #addicted to these, in# ad", None, False),
    ],
)
def test_a_post_says_that_it_is_advertising(text: str | None, label: bool | None, disclosed: bool | None):
    assert discloses(text, label) is disclosed


def test_of_a_plain_claim_there_is_nothing_to_say_and_every_rule_has_a_case():
    assert noticed(PLAIN) == {}
    assert {rule for rule, _, sentence in CASES if sentence} == set(RULES)


counts = st.none() | st.integers(0, 10**13)
figures = st.builds(Figures, counts, counts, counts)


@given(
    facts=st.builds(
        Facts,
        platform=st.sampled_from(["reddit", "youtube"]),
        claimed=figures.filter(lambda each: each != Figures()),
        claimed_at=st.just(AT),
        truth=figures,
        likes=st.none() | st.integers(-5, 10**6),
        comments=counts,
        followers=counts,
        earlier=st.none() | figures,
        recent=st.lists(st.builds(Compared, figures, figures), max_size=8).map(tuple),
        usual_views=counts,
        platforms_usual_views=counts,
    )
)
def test_no_rule_throws_whatever_is_not_known(facts: Facts):
    assert not [each for each in ALL.examine(facts) if each.error]


def test_staff_set_how_severe_a_rule_is_and_its_options():
    rules = parse_quality(
        {
            "burst": {"weight": "HIGH", "claims": 2},
            "several_claimants": {"weight": "off"},
            "clicks_above_views": {"weight": "impossible"},
        }
    )
    facts = replace(PLAIN, claimed=Figures(1, 2), claims_within_an_hour=2, other_claimants=1)
    assert [(each.rule, each.severity, each.is_impossible) for each in rules.examine(facts)] == [
        ("clicks_above_views", Level.HIGH, True),
        ("burst", Level.HIGH, False),
    ]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "quality"),
        ({"luck": {}}, "quality.luck"),
        ({"burst": 7}, "quality.burst"),
        ({"burst": {"weight": "EXTREME"}}, "quality.burst.weight"),
        ({"burst": {"weight": ["LOW"]}}, "quality.burst.weight"),
        ({"burst": {"hours": 2}}, "quality.burst.hours"),
        ({"burst": {"claims": 1}}, "quality.burst.claims"),
        ({"burst": {"claims": True}}, "quality.burst.claims"),
        ({"burst": {"claims": "50"}}, "quality.burst.claims"),
    ],
)
def test_a_setting_that_cannot_hold_says_where(given: object, field: str):
    with pytest.raises(RuleMatrixError) as refused:
        parse_quality(given)
    assert refused.value.field == field


def test_a_rule_that_throws_is_seen_and_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch):
    def fail(facts: Facts, values: object) -> str:
        raise ZeroDivisionError

    broken = Rule("clicks_above_views", "Clicks above views", Level.MEDIUM, fail)
    monkeypatch.setitem(RULES, "clicks_above_views", broken)
    found = parse_quality({}).examine(replace(PLAIN, claimed=Figures(1, 2), other_claimants=1))
    assert [(each.rule, each.error) for each in found] == [
        ("clicks_above_views", "ZeroDivisionError"),
        ("several_claimants", ""),
    ]
