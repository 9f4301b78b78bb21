from dataclasses import FrozenInstanceError
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.metrics import (
    CONVERSIONS_LAG_H,
    DEFINITIONS,
    PLATFORM_NAMES,
    VIEWS_LAG,
    Availability,
    Lag,
    LagBasis,
    Metric,
    PostReading,
    Provenance,
    UnifiedMetrics,
    definition_id,
)


@pytest.mark.parametrize(
    ("platform", "metric", "on", "expected"),
    [
        ("youtube", "views", date(2025, 3, 30), "youtube.views.first"),
        ("youtube", "views", date(2025, 3, 31), "youtube.views.2025-03"),
        ("youtube", "views", date(2026, 8, 26), "youtube.views.2025-03"),
        ("youtube", "views", date(2026, 8, 27), "youtube.views.2026-08"),
        ("youtube", Metric.VIEWS, date(2099, 1, 1), "youtube.views.2026-08"),
        ("instagram", "views", date(2025, 4, 20), "instagram.views.first"),
        ("instagram", "views", date(2025, 4, 21), "instagram.views.2025-04"),
        ("facebook", "views", date(2025, 11, 14), "facebook.views.first"),
        ("facebook", "views", date(2025, 11, 15), "facebook.views.2025-11"),
        ("x", "views", date(2026, 11, 22), "x.views.first"),
        ("tiktok", "views", date(2026, 11, 22), "tiktok.views.first"),
        ("reddit", "likes", date(2026, 11, 22), "reddit.likes.first"),
        ("reddit", "clicks", date(2026, 11, 22), "own_tracking.clicks.first"),
        ("x", Metric.CONVERSIONS, date.min, "own_tracking.conversions.first"),
    ],
)
def test_a_figure_is_stamped_with_the_definition_of_its_day(platform, metric, on, expected):
    assert definition_id(platform, metric, on) == expected


@pytest.mark.parametrize(("platform", "metric"), [("linkedin", "views"), ("youtube", "smiles"), ("", "")])
def test_an_unknown_platform_or_metric_has_no_definition(platform, metric):
    with pytest.raises(KeyError):
        definition_id(platform, metric, date(2026, 11, 22))


@pytest.mark.parametrize("platform", PLATFORM_NAMES)
@pytest.mark.parametrize("metric", Metric)
@given(on=st.dates())
def test_every_metric_of_every_platform_has_a_readable_definition_on_every_day(platform, metric, on):
    assert DEFINITIONS[definition_id(platform, metric, on)].text.endswith(".")


def test_definitions_have_distinct_ids():
    assert len({(each.owner, each.metric, each.since) for each in DEFINITIONS.values()}) == len(DEFINITIONS)


def test_a_definition_begins_on_its_day_and_not_before():
    for each in DEFINITIONS.values():
        if each.since:
            assert definition_id(each.owner, each.metric, each.since) == each.id
            assert definition_id(each.owner, each.metric, each.since - timedelta(days=1)) != each.id


def test_views_lag_as_long_as_their_sources_need():
    assert {
        "reddit": Lag(LagBasis.POST_AGE, 1),
        "x": Lag(LagBasis.POST_AGE, 1),
        "youtube": Lag(LagBasis.POST_AGE, 24),
        "tiktok": Lag(LagBasis.POST_AGE, 24),
        "instagram": Lag(LagBasis.CLAIM_AGE, 48),
        "facebook": Lag(LagBasis.CLAIM_AGE, 48),
    } == VIEWS_LAG
    assert CONVERSIONS_LAG_H == 72
    assert VIEWS_LAG.keys() == PLATFORM_NAMES.keys()


def test_the_more_direct_source_comes_first():
    assert list(Provenance) == ["own_tracking", "connection", "public_api", "device", "staff"]


def test_a_figure_nobody_gave_is_none():
    assert UnifiedMetrics() == UnifiedMetrics(views=None, likes=None, comments=None, shares=None)
    reading = PostReading("1", Availability.MISSING)
    assert reading.metrics == UnifiedMetrics()
    assert not reading.deleted
    with pytest.raises(FrozenInstanceError):
        reading.external_id = "2"
