import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import clock
from config.counts import MAX_COUNT
from platforms.adapters import ADAPTER_CLASSES, adapter_for
from platforms.adapters.base import Line, Wanted, api_root, as_link, as_moment, as_text, kind_of, read_metrics
from platforms.budget import BUDGETS
from platforms.errors import MAX_WAIT_S, ErrorKind, PlatformError, retry_after_s, seconds_in, wait_s
from platforms.metrics import PLATFORM_NAMES, Availability, PostReading, UnifiedMetrics
from platforms.transport import Http, Response

HTTP = Http()
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONFIG = {
    "base_url": "https://platform.test/",
    "token_url": "https://platform.test/token",
    "credentials": {
        "api_key": "k",
        "client_id": "i",
        "client_secret": "s",
        "bearer_token": "b",
        "access_token": "a",
    },
}
WITH_OWN_CREDENTIAL = [slug for slug, adapter in ADAPTER_CLASSES.items() if not adapter.needs_connection]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        *((0, 0), (1, 1), (MAX_COUNT, MAX_COUNT), ("0", 0), ("12345", 12345), (str(MAX_COUNT), MAX_COUNT)),
        *((each, None) for each in (-1, MAX_COUNT + 1, 10**30, True, False, 1.5, 2.0**53, -1.0, math.inf)),
        *((12.0, 12), (1e3, 1000), (0.0, 0), (float(MAX_COUNT), MAX_COUNT)),
        *(([], None), ({}, None), ([1], None)),
        *(
            (each, None)
            for each in ("", " 1", "1 ", "1\n", "-1", "+1", "1.0", "1e3", "1_0", "1,000", "0x1", "<b>1</b>")
        ),
        *((each, None) for each in ("٣", "１２", "²", "9" * 16, "9" * 5000, "NaN", "null")),
    ],
)
def test_a_count_is_a_whole_number_that_every_program_reads_alike(sent, read):
    metrics, error = read_metrics(views=sent, likes=5)
    assert metrics == UnifiedMetrics(views=read, likes=5)
    assert error == (None if read is not None else "malformed_figure")


def test_a_count_that_is_absent_is_none_and_no_error():
    assert read_metrics(views=None, likes=None) == (UnifiedMetrics(), None)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3))
def test_no_figure_makes_reading_fail(sent):
    views = read_metrics(views=sent)[0].views
    assert views is None or 0 <= views <= MAX_COUNT


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        *(("A title", "A title"), (" a\n\t b ", "a b"), ("a\x00b\u202ec\u200b", "abc"), ("<b>x</b>", "<b>x</b>")),
        *((None, None), ("", None), (" \n", None), ("\x00", None), (5, None), (["a"], None), ("a" * 400, "a" * 300)),
    ],
)
def test_text_is_one_line_of_visible_characters(sent, read):
    assert as_text(sent) == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-11-22T12:00:00Z", NOW),
        ("2026-11-22T12:00:00.000Z", NOW),
        ("2026-11-22T13:00:00+01:00", NOW),
        (1795348800, NOW),
        (1795348800.0, NOW),
        *((each, None) for each in (None, "", "yesterday", "2026-11-22T12:00:00", "2026-11-22", True)),
        *(([], None), ({}, None)),
        *((each, None) for each in (0, -1, 1e300, math.nan, math.inf, 10**30, 7258118400, "1999-12-31T23:59:59Z")),
        *((each, None) for each in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2100-01-01T00:00:00Z")),
    ],
)
def test_a_moment_is_aware_and_of_this_century(sent, read):
    assert as_moment(sent) == read


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((each, "unavailable") for each in (301, 302, 307, 304, 408, 500, 502, 503, 504, 520, 522, 599)),
        *((each, "invalid") for each in (400, 405, 409, 410, 418, 422)),
        *((401, "auth"), (402, "quota"), (403, "permission"), (404, "not_found"), (429, "rate_limit")),
    ],
)
def test_a_status_alone_says_this_much(status, kind):
    assert kind_of(status) == kind


@pytest.mark.parametrize(
    ("kind", "wait", "retryable"),
    [
        *((each, None, True) for each in ("rate_limit", "unavailable", "malformed")),
        *((each, None, False) for each in ("auth", "permission", "not_found", "invalid", "quota")),
        ("quota", 3600, True),
        ("quota", 0, True),
    ],
)
def test_an_error_says_whether_it_is_worth_trying_again(kind, wait, retryable):
    error = PlatformError(ErrorKind(kind), "code", "A sentence.", wait)
    assert error.retryable is retryable
    assert str(error) == error.message == "A sentence."


def test_every_kind_says_whether_it_is_worth_trying_again():
    assert all(isinstance(PlatformError(kind, "c", "m").retryable, bool) for kind in ErrorKind)


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        *(("4", 4), ("0", 0), ("4.2", 5), ("86400", MAX_WAIT_S), ("86401", MAX_WAIT_S), ("9" * 400, MAX_WAIT_S)),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_WAIT_S),
        *((each, None) for each in (None, "", "-5", "soon", "1e3", "inf", "nan", "٣", "1_0", "4 ", "0x10", "\x00")),
        *((each, None) for each in ("Sun, 22 Nov 2026 11:59:59 GMT", "Sun, 99 Nov 2026 12:00:30 GMT")),
        *((each, None) for each in ("Sun, 22 Nov 99999 12:00:30 GMT", "Sun, 22 Nov 2026 12:00:30 +0000")),
    ],
)
def test_a_wait_is_seconds_or_a_date_within_a_day(header, waited):
    assert retry_after_s(header, NOW) == waited


@given(st.text())
def test_no_header_makes_reading_it_fail(header):
    assert (retry_after_s(header, NOW) or 0) <= MAX_WAIT_S
    assert (seconds_in(header) or 0) >= 0


@pytest.mark.parametrize(("seconds", "waited"), [(math.nan, None), (-0.1, None), (math.inf, MAX_WAIT_S), (0.1, 1)])
def test_a_wait_is_rounded_up_and_never_negative(seconds, waited):
    assert wait_s(seconds) == waited


@pytest.mark.parametrize("slug", ADAPTER_CLASSES)
def test_a_platforms_own_clock_yields_to_retry_after(slug):
    adapter = ADAPTER_CLASSES[slug](CONFIG)
    with clock.at(NOW):
        assert adapter.refusal(Response(429, {"retry-after": "7"}, b""), wait_s=9).retry_after_s == 7
        assert adapter.refusal(Response(429, {"retry-after": "-7"}, b""), wait_s=9).retry_after_s == 9
        assert adapter.refusal(Response(503, {"retry-after": "7"}, b"")).retry_after_s == 7
        assert adapter.refusal(Response(403, {"retry-after": "7"}, b"")).retry_after_s is None


@pytest.mark.parametrize(
    "code", [None, 5, "", "two words", "<b>", "a" * 65, "línea", "a\nb", "https://x.com/?key=secret"]
)
def test_a_platforms_code_is_kept_only_where_it_is_one(code):
    error = ADAPTER_CLASSES["x"](CONFIG).refusal(Response(403, {}, b""), code=code)
    assert error.code == "http_403"
    assert error.message == "X does not allow this to the credential (http_403)."


@pytest.mark.parametrize("slug", ADAPTER_CLASSES)
def test_ids_that_a_platform_would_choke_on_are_answered_without_asking(slug):
    adapter = ADAPTER_CLASSES[slug](CONFIG)
    odd = ["", " ", "a,b", "a b", "1\n", "٣", "é", "1" * 65, "-/-", "\x00", "&x=1"]
    answer = adapter.fetch(HTTP, odd, token="t")  # a call would fail: there is no such host
    assert answer.data_calls == 0
    assert answer.readings == {each: PostReading(each, Availability.MISSING) for each in odd}
    assert adapter.fetch(HTTP, [], token="t").readings == {}


@pytest.mark.parametrize("slug", ADAPTER_CLASSES)
def test_a_batch_larger_than_a_call_is_our_own_mistake(slug):
    adapter = ADAPTER_CLASSES[slug](CONFIG)
    with pytest.raises(ValueError, match="a call"):
        adapter.fetch(HTTP, [str(each) for each in range(1, adapter.batch_size + 2)], token="t")


@pytest.mark.parametrize("slug", WITH_OWN_CREDENTIAL)
@pytest.mark.parametrize("value", [None, "", "absent"])
def test_without_credentials_no_call_is_made(slug, value):
    empty = {} if value == "absent" else dict.fromkeys(CONFIG["credentials"], value)
    with pytest.raises(PlatformError) as caught:
        ADAPTER_CLASSES[slug](CONFIG | {"credentials": empty}).fetch(HTTP, ["1"])
    assert (caught.value.kind, caught.value.code) == ("auth", "credentials_missing")
    assert not caught.value.retryable


@pytest.mark.parametrize("slug", ADAPTER_CLASSES)
@pytest.mark.parametrize("value", ["", "secret\n", "secret\r\nX-Evil: 1", "sécret"])
def test_a_connections_token_is_held_to_the_same(slug, value):
    with pytest.raises(PlatformError) as caught:
        ADAPTER_CLASSES[slug](CONFIG).fetch(HTTP, ["1"], token=value, spend=pytest.fail)
    assert (caught.value.kind, caught.value.code) == ("auth", "credentials_malformed")


@pytest.mark.parametrize("slug", sorted(ADAPTER_CLASSES.keys() - set(WITH_OWN_CREDENTIAL)))
def test_where_only_owners_may_see_a_post_a_connection_is_needed(slug):
    with pytest.raises(PlatformError) as caught:
        ADAPTER_CLASSES[slug](CONFIG).fetch(HTTP, ["1"], spend=pytest.fail)
    assert (caught.value.kind, caught.value.code, caught.value.retryable) == ("auth", "connection_required", False)


@pytest.mark.parametrize("slug", WITH_OWN_CREDENTIAL)
@pytest.mark.parametrize("value", ["secret\n", "secret\r\nX-Evil: 1", "sécret"])
def test_a_credential_that_cannot_stand_in_a_header_is_named_but_not_shown(slug, value):
    with pytest.raises(PlatformError) as caught:
        ADAPTER_CLASSES[slug](CONFIG | {"credentials": dict.fromkeys(CONFIG["credentials"], value)}).fetch(HTTP, ["1"])
    assert (caught.value.kind, caught.value.code) == ("auth", "credentials_malformed")
    assert "cret" not in str(caught.value).replace("client_secret", "")


def test_every_adapter_is_a_platform_with_a_name():
    assert ADAPTER_CLASSES.keys() == PLATFORM_NAMES.keys() == BUDGETS.keys()
    assert {slug: each.batch_size for slug, each in ADAPTER_CLASSES.items()} == {
        "youtube": 50,
        "reddit": 100,
        "x": 100,
        "tiktok": 20,
        "instagram": 50,
        "facebook": 50,
    }


@pytest.mark.parametrize(
    ("base_url", "root", "whole"),
    [
        ("https://h.test", "v26.0", "https://h.test/v26.0"),
        ("https://h.test/v26.0", "v26.0", "https://h.test/v26.0"),
        ("https://h.test/v25.0", "v26.0", "https://h.test/v25.0"),
        ("https://h.test:1/a", "2", "https://h.test:1/a/2"),
        ("https://h.test:1/2", "2", "https://h.test:1/2"),
        ("http://127.0.0.1", "2", "http://127.0.0.1/2"),
        ("https://h.test", "youtube/v3", "https://h.test/youtube/v3"),
        ("https://h.test/youtube", "youtube/v3", "https://h.test/youtube/v3"),
        ("https://h.test/youtube/v3", "youtube/v3", "https://h.test/youtube/v3"),
        ("https://h.test/v", "v2", "https://h.test/v/v2"),
        ("https://h.test/3", "2", "https://h.test/3/2"),
        ("https://h.test/2", "v2", "https://h.test/2/v2"),
        ("https://h.test/1.1", "youtube/v3", "https://h.test/1.1/youtube/v3"),
        ("http://v2", "v2", "http://v2/v2"),
        ("http://youtube", "youtube/v3", "http://youtube/youtube/v3"),
    ],
)
def test_a_base_url_may_hold_the_apis_root_already(base_url, root, whole):
    assert api_root(base_url, root) == whole


def test_a_budget_that_has_nothing_left_stops_the_call_before_it_is_made():
    def spend(cost):
        raise PlatformError(ErrorKind.QUOTA, "budget", "Nothing is left.", 60)

    with pytest.raises(PlatformError) as caught:
        ADAPTER_CLASSES["x"](CONFIG).fetch(HTTP, ["1"], spend=spend)
    assert caught.value.code == "budget"


def test_a_line_rests_as_long_as_the_longest_rest_it_was_asked_for():
    line = Line(HTTP, "x")
    for seconds in (None, math.nan, -5, 0):
        line.rest(seconds)
    assert line.rest_s is None
    for seconds in (3.2, 60, 7):
        line.rest(seconds)
    assert line.rest_s == 60


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("https://s.test/a", "https://s.test/a"),
        ("/a/b", "https://site.test/a/b"),
        *((each, None) for each in (None, 5, "", "//evil.test", "http://s.test", "javascript:alert(1)", "a/b")),
    ],
)
def test_a_link_is_an_https_address_or_a_path_of_its_site(sent, read):
    assert as_link(sent, "https://site.test") == read


def test_where_nothing_else_is_known_an_id_is_its_own_and_nobody_is_discovered():
    adapter = ADAPTER_CLASSES["reddit"](CONFIG)
    assert adapter.resolve(HTTP, [Wanted("1abc")]) == {"1abc": "1abc"}
    assert adapter.discover(HTTP, "somebody", ["1abc"]) == {}
    with pytest.raises(PlatformError) as caught:
        adapter.owner(HTTP, "t")
    assert caught.value.kind == "invalid"


def test_an_adapter_is_kept_until_its_settings_change(settings):
    settings.PLATFORMS = dict.fromkeys(ADAPTER_CLASSES, CONFIG)
    first = adapter_for("reddit")
    assert adapter_for("reddit") is first
    assert adapter_for("x") is not first
    settings.PLATFORMS = settings.PLATFORMS | {"reddit": CONFIG | {"base_url": "https://other.test"}}
    assert adapter_for("reddit") is not first
    assert adapter_for("reddit").base_url == "https://other.test"


def test_a_platform_without_an_adapter_is_a_key_error():
    with pytest.raises(KeyError):
        adapter_for("linkedin")


def test_a_wait_until_a_date_counts_from_our_clock():
    with clock.at(NOW + timedelta(hours=1)):
        error = ADAPTER_CLASSES["x"](CONFIG).refusal(
            Response(429, {"retry-after": "Sun, 22 Nov 2026 13:00:05 GMT"}, b"")
        )
    assert error.retry_after_s == 5


def test_in_test_mode_an_adapter_speaks_to_the_sandbox_whatever_the_live_one_speaks_to(settings):
    settings.PLATFORMS = settings.PLATFORMS | {
        "x": {"base_url": "https://api.x.com", "credentials": {"bearer_token": "precious"}}
    }
    live, test = adapter_for("x"), adapter_for("x", livemode=False)
    assert live.base_url == "https://api.x.com"
    assert test.base_url == settings.SANDBOX_URL
    assert test.credential("bearer_token") != "precious"
    assert adapter_for("x") is live
