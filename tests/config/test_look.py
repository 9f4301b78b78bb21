import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from config import clock
from config.charts import HEIGHT_PX, ChartPoint, compact, line_chart, step_line
from config.templatetags import look

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


# --- How figures are written ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (look.figure(4_812_300), "4,812,300"),
        (look.figure(0), "0"),
        (look.figure(-1_200), "−1,200"),
        (look.figure(None), "—"),
        (look.percent(Decimal("90.97")), "91.0 %"),
        (look.percent(None), "—"),
        (look.signed_percent(Decimal("40.04")), "+40.0 %"),
        (look.signed_percent(Decimal("-2.74")), "−2.7 %"),
        (look.signed_percent(Decimal("0.04")), "0.0 %"),
        (look.signed_percent(Decimal("-0.04")), "0.0 %"),
        (look.signed_percent(None), "—"),
        (look.money(Decimal("3971"), "USD"), "$3,971.00"),
        (look.money(Decimal("-0.5"), "EUR"), "−€0.50"),
        (look.money(Decimal("-0.001"), "GBP"), "£0.00"),
        (look.money(Decimal("1234567"), "JPY"), "¥1,234,567"),
        (look.money(Decimal("12"), "SEK"), "SEK 12.00"),
        (look.money(None, "USD"), "—"),
    ],
)
def test_figures_are_written_as_people_read_them(written: str, expected: str):
    assert written.replace("\N{NO-BREAK SPACE}", " ") == expected


@given(st.decimals(-(10**9), 10**9, places=4))
def test_a_percentage_has_a_sign_exactly_where_it_does_not_round_to_nothing(value: Decimal):
    text = look.signed_percent(value)
    assert (text[0] in "+−") == (abs(value) > Decimal("0.05"))


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=-59), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=1), "1 d ago"),
        (timedelta(days=6, hours=23), "6 d ago"),
        (timedelta(days=7), "15 Nov"),
        (timedelta(days=-2), "24 Nov"),
    ],
)
def test_an_age_is_told_in_its_largest_unit_and_after_a_week_by_its_day(ago: timedelta, expected: str):
    with clock.at(NOW):
        assert look.age(NOW - ago).replace("\N{NO-BREAK SPACE}", " ") == expected


def test_days_and_moments_are_those_of_the_active_time_zone():
    late = datetime(2026, 11, 14, 3, 12, tzinfo=UTC)
    with clock.at(NOW), timezone.override("America/New_York"):
        assert (look.day(late), look.moment(late)) == ("13 Nov", "13 Nov, 22:12")
        assert look.day(date(2026, 11, 14)) == "14 Nov"
        assert look.day(date(2025, 11, 14)) == "14 Nov 2025"
        assert look.day(None) == look.moment(None) == look.age(None) == "—"


# --- States ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "level", "expected"),
    [
        ("DISCREPANCY", "HIGH", "▲ High"),
        ("DISCREPANCY", "MEDIUM", "◆ Medium"),
        ("DISCREPANCY", "LOW", "● Low"),
        ("TOO_EARLY", "HIGH", "◷ Too early"),
        ("MATCHED", None, "✓ Matched"),
        ("UNVERIFIABLE", "", "? Unverifiable"),
        ("POST_MISSING", None, "✕ Post missing"),
        ("INVALID_CLAIM", None, "! Invalid"),
        ("", "HIGH", "▲ High"),
        (None, None, "… Waiting"),
        ("paused", None, "‖ Paused"),
        ("acknowledged", None, "◐ Acknowledged"),
        ("HALF_DONE", None, "· Half done"),
    ],
)
def test_a_badge_is_a_shape_and_a_word(status: str | None, level: str | None, expected: str):
    badge = look.badge_for(status, level)
    assert f"{badge.shape} {badge.word}" == expected
    assert badge.word in render_to_string("components/badge.html", {"status": status, "level": level})


def test_every_tone_has_a_colour():
    css = (ROOT / "static/css/components.css").read_text()
    assert {f".tone-{badge.tone} " for badge in look._BADGES.values()} <= set(re.findall(r"\.tone-\w+ ", css))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("verdict", "high", "?q=a+b&verdict=high"),
        ("verdict", "", "?q=a+b"),
        ("q", "c", "?verdict=low&q=c"),
    ],
)
def test_a_filter_keeps_the_other_filters_and_returns_to_page_one(name: str, value: str, expected: str):
    request = RequestFactory().get("/", {"q": "a b", "verdict": "low", "page": "3"})
    assert look.query_with({"request": request}, name, value) == expected


# --- Components -----------------------------------------------------------------------------------------------------
def test_an_unknown_figure_in_a_verdict_row_is_a_dash_and_never_zero():
    row = {"post": "A thread", "status": "UNVERIFIABLE", "claimed": 900, "verified": None, "gap_pct": None}
    html = render_to_string("components/verdict_rows.html", {"rows": [row]})
    cells = re.findall(r'data-label="(\w+)">([^<]*)', html)
    assert cells == [("Claimed", "900"), ("Verified", "—"), ("Gap", "—")]


def test_what_strangers_wrote_is_escaped():
    words = {"post": "<b>x</b>", "affiliate": "<i>", "sentence": "<script>", "status": "MATCHED"}
    row = words | {"claimed": None, "verified": None, "gap_pct": None}
    html = render_to_string("components/verdict_rows.html", {"rows": [row]})
    assert not re.search(r"<(b|i|script)>", html)


class _Form(forms.Form):
    note = forms.CharField(help_text="Everybody can read it.")
    when = forms.ChoiceField(choices=[("a", "A")], widget=forms.RadioSelect)
    sure = forms.BooleanField()


def test_a_field_is_tied_to_its_help_and_its_errors():
    html = render_to_string("components/form.html", {"form": _Form({})})
    named = {name for names in re.findall(r'aria-describedby="([^"]+)"', html) for name in names.split()}
    assert named == {"id_note_helptext", "id_note_error", "id_when_error", "id_sure_error"}
    assert all(f'id="{name}"' in html for name in named)
    assert html.count('aria-invalid="true"') == 3


def test_pages_are_named_only_where_there_is_more_than_one():
    request = RequestFactory().get("/", {"sort": "gap", "page": "2"})
    many = {"page_obj": Paginator(range(120), 50).get_page(2)}
    html = render_to_string("components/pagination.html", many, request)
    assert "51 to 100 of 120" in html
    assert "?sort=gap&amp;page=1" in html
    assert "?sort=gap&amp;page=3" in html
    one = {"page_obj": Paginator(range(3), 50).get_page(1)}
    assert not render_to_string("components/pagination.html", one, request).strip()


@pytest.mark.parametrize(
    ("sort", "state", "next_sort"),
    [("", "", "-gap"), ("-gap", "descending", "gap"), ("gap", "ascending", "-gap")],
)
def test_a_column_sorts_downwards_first_and_then_upwards(sort: str, state: str, next_sort: str):
    context = {"columns": [{"label": "Post"}, {"label": "Gap", "kind": "num", "sort": "gap"}], "sort": sort}
    html = render_to_string("components/table_head.html", context, RequestFactory().get("/"))
    assert re.findall(r'aria-sort="(\w+)"', html) == ([state] if state else [])
    assert f'href="?sort={next_sort}"' in html


@pytest.mark.parametrize("page", ["400", "403", "403_csrf", "404", "500"])
def test_an_error_page_needs_nothing_but_tells_the_number_of_the_request(page: str):
    with structlog.contextvars.bound_contextvars(request_id="request-0001"):
        assert "request-0001" in render_to_string(f"{page}.html")
    assert "Tell us" not in render_to_string(f"{page}.html")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_template_carries_a_script_or_a_style(template: Path):
    html = template.read_text()
    assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=|javascript:|hx-on", html)


def test_a_dialog_says_where_it_posts_and_can_be_left():
    html = render_to_string("components/dialog.html", {"id": "end", "title": "End?", "action": "/x", "verb": "End"})
    assert 'action="/x"' in html
    assert 'commandfor="end" command="close"' in html


# --- Colours --------------------------------------------------------------------------------------------------------
def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_colour_can_be_read_on_every_ground(theme: int):
    css = (ROOT / "static/css/tokens.css").read_text()
    colours = {name: pair[theme] for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", css)}
    grounds = [colours.pop(name) for name in ("bg", "surface", "raised")]
    control, on_gold, _line = (colours.pop(name) for name in ("control", "on-gold", "line"))
    assert len(colours) == 11
    assert all(_contrast(colour, ground) >= 5 for colour in colours.values() for ground in grounds)
    assert all(_contrast(control, ground) >= 3 for ground in grounds)
    assert _contrast(on_gold, colours["gold"]) >= 5


# --- Charts ---------------------------------------------------------------------------------------------------------
FIGURES = st.one_of(st.none(), st.integers(0, 2**53 - 1))
POINTS = st.lists(st.builds(ChartPoint, st.just("1 Nov"), FIGURES, FIGURES), max_size=40)


def _spots(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.e+-]+) ([\d.e+-]+)", path)]


@given(POINTS)
def test_a_line_passes_through_the_known_figures_and_no_others(points: list[ChartPoint]):
    chart = line_chart(points)
    assert len(_spots(chart.claimed_path)) == sum(p.claimed is not None for p in points)
    assert len(_spots(chart.verified_path)) == sum(p.verified is not None for p in points)
    spots = _spots(chart.claimed_path) + _spots(chart.verified_path)
    assert all(0 <= x <= 100 and 0 <= y <= HEIGHT_PX for x, y in spots)
    assert len(chart.grid) == 4
    assert len(chart.bands) == len(points)
    assert render_to_string("components/chart.html", {"chart": chart, "title": "Views", "metric": "views"})


def test_a_line_breaks_where_a_figure_is_unknown_and_a_lone_one_is_a_dot():
    figures = [10, 20, None, 30, None]
    chart = line_chart([ChartPoint(str(i), None, n) for i, n in enumerate(figures)])
    assert chart.verified_path.count("M") == 2
    assert [(dot.x_pct, dot.series) for dot in chart.dots] == [(75.0, "verified")]
    assert chart.claimed_path == ""


@pytest.mark.parametrize(
    ("highest", "labels"),
    [
        (0, ["3", "2", "1", "0"]),
        (1, ["3", "2", "1", "0"]),
        (29, ["30", "20", "10", "0"]),
        (31, ["45", "30", "15", "0"]),
        (283_000, ["300 k", "200 k", "100 k", "0"]),
        (4_400, ["4.5 k", "3 k", "1.5 k", "0"]),
        (7_000_000, ["7.5 M", "5 M", "2.5 M", "0"]),
        (2_900_000_000, ["3 bn", "2 bn", "1 bn", "0"]),
    ],
)
def test_the_grid_has_round_figures_with_room_for_the_highest(highest: int, labels: list[str]):
    chart = line_chart([ChartPoint("1 Nov", highest, None), ChartPoint("2 Nov", 0, None)])
    assert [line.label.replace("\N{NO-BREAK SPACE}", " ") for line in chart.grid] == labels
    assert chart.grid[0].y_px < chart.grid[-1].y_px


def test_a_share_stays_as_it_is_until_it_changes():
    assert step_line([(0, Decimal("0.5")), (40, Decimal(1)), (99.5, Decimal(0))]).path == "M0 36H40V2H99.5V70H100"
    assert step_line([]).path == ""


def test_the_axis_names_the_ends_and_two_days_between():
    days = [ChartPoint(f"{d} Nov", d, d) for d in range(1, 22)]
    assert [(a.text, a.anchor) for a in line_chart(days).axis] == [
        ("1 Nov", "start"),
        ("8 Nov", "middle"),
        ("14 Nov", "middle"),
        ("21 Nov", "end"),
    ]
    assert [(a.x_pct, a.anchor) for a in line_chart(days[:1]).axis] == [(50.0, "middle")]
    assert line_chart([]).axis == ()


def test_an_axis_figure_is_short():
    assert [compact(n).replace("\N{NO-BREAK SPACE}", " ") for n in (0, 950, 1_500, 2_000_000)] == [
        "0",
        "950",
        "1.5 k",
        "2 M",
    ]
