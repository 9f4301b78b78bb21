import json
from datetime import UTC, datetime

import httpx
import pytest
import respx

from platforms.adapters.base import Profile, Wanted
from platforms.adapters.instagram import FIELDS, InstagramAdapter
from platforms.errors import PlatformError
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from tests.platforms.graph import BASE, GONE, HTTP, Graph, error, insights

CONFIG = {
    "base_url": BASE,
    "version": "v26.0",
    "business_id": "17841400000000001",
    "credentials": {"access_token": "the-token"},
}
ADAPTER = InstagramAdapter(CONFIG)
TOO_FEW = error(10, message="(#10) Not enough viewers for the media to show insights")
BEFORE = error(100, 2108006, "Invalid parameter")
BAD_METRIC = error(100, message="(#100) metric[0] must be one of the following values: reach")


def media(media_id="1", **fields):
    return {
        "id": media_id,
        "shortcode": f"C{media_id}",
        "permalink": f"https://www.instagram.com/reel/C{media_id}/",
        "timestamp": "2026-11-20T10:00:00+0000",
        "caption": "Look!\n#ad",
        "username": "somebody",
        "like_count": 20,
        "comments_count": 3,
        **fields,
    }


def fetch(answers, *ids, **more):
    return Graph(ADAPTER, answers, **more).fetch(*(ids or ("1",)))


def refusal(answers, *ids):
    with pytest.raises(PlatformError) as caught:
        fetch(answers, *ids)
    return caught.value


def test_a_batch_is_one_call_with_one_question_a_post():
    within = {each: media(each, insights=insights(views=9, shares=1)) for each in map(str, range(50))}
    graph = Graph(ADAPTER, within)
    answer = graph.fetch(*within)
    assert len(graph.batches) == answer.data_calls == 1
    assert graph.batches[0][7] == f"7?fields={FIELDS},insights.metric(views,shares){{name,period,values,total_value}}"
    assert (graph.spent, graph.tokens) == ([50], ["the-token"])
    assert {each.metrics.views for each in answer.readings.values()} == {9}


def test_a_post_becomes_a_reading():
    item = media(owner={"id": "178414"}, insights=insights(views=900, shares=4))
    assert fetch({"1": item}).readings == {
        "1": PostReading(
            "1",
            Availability.LIVE,
            UnifiedMetrics(views=900, likes=20, comments=3, shares=4),
            posted_at=datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
            author_id="178414",
            author_handle="somebody",
            text="Look! #ad",
            permalink="https://www.instagram.com/reel/C1/",
            raw=item,
        )
    }


def test_insights_are_read_in_both_of_their_shapes_and_for_the_whole_life():
    both = {"data": insights(views=7)["data"] + insights(total=True, shares="2")["data"]}
    assert fetch({"1": media(insights=both)}).readings["1"].metrics == UnifiedMetrics(7, 20, 3, 2)
    day = {"name": "views", "period": "day", "values": [{"value": 1}]}
    for data in ([day, *both["data"]], [*both["data"], day]):
        assert fetch({"1": media(insights={"data": data})}).readings["1"].metrics.views == 7


def test_what_is_hidden_or_not_there_is_none_and_never_nought():
    hidden = media(insights={"data": []})
    del hidden["like_count"]
    reading = fetch({"1": hidden}).readings["1"]
    assert (reading.availability, reading.metrics, reading.error) == ("live", UnifiedMetrics(comments=3), None)


def test_a_server_that_ignores_half_of_the_question_is_asked_for_it():
    graph = Graph(ADAPTER, {"1": media(), "1/insights": insights(views=9, shares=2), "2": GONE})
    answer = graph.fetch("1", "2")
    assert answer.readings["1"].metrics == UnifiedMetrics(9, 20, 3, 2)
    assert answer.readings["1"].raw["insights"] == insights(views=9, shares=2)
    assert answer.readings["2"] == PostReading("2", Availability.MISSING)
    assert graph.batches[1:] == [["1/insights?metric=views,shares", f"2?fields={FIELDS}"]]
    assert (answer.data_calls, graph.spent) == (2, [2, 2])


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (TOO_FEW, None),
        (BEFORE, None),
        (BAD_METRIC, "invalid_metric"),
        (error(10, message="(#10) Application does not have permission"), "10"),
        (error(200), "200"),
        (GONE, "100"),
    ],
)
def test_a_post_whose_insights_are_refused_is_live_with_the_rest(trouble, code):
    def node(query):
        return trouble if "insights" in query["fields"] and trouble != GONE else media()

    graph = Graph(ADAPTER, {"1": node, "1/insights": trouble})
    reading = graph.fetch("1").readings["1"]
    assert (reading.availability, reading.metrics) == ("live", UnifiedMetrics(likes=20, comments=3))
    assert reading.error == code
    assert graph.batches[1] == [
        *([f"1?fields={FIELDS}"] if trouble != GONE else []),
        "1/insights?metric=views,shares",
    ]


@pytest.mark.parametrize(
    "trouble",
    [
        GONE,
        error(100, 33),
        error(100, None, "Object does not exist"),
        error(803, status=404),
        (404, "Not found"),
    ],
)
def test_gone_private_and_forbidden_look_alike(trouble):
    assert fetch({"1": trouble}).readings == {"1": PostReading("1", Availability.MISSING)}


@pytest.mark.parametrize("code", [3, 5, 10, 200, 230, 299])
def test_a_post_that_is_not_permitted_is_denied(code):
    reading = fetch({"1": error(code), "1/insights": error(code)}).readings["1"]
    assert reading == PostReading("1", Availability.DENIED, error=str(code))


def test_a_post_that_meta_had_no_time_for_is_left_for_another_call():
    graph = Graph(ADAPTER, {each: media(each, insights=insights(views=1)) for each in ("1", "2")} | {"1": None})
    answer = graph.fetch("1", "2")
    assert (list(answer.readings), [len(each) for each in graph.batches]) == (["2"], [2])
    assert (answer.unanswered["1"].kind, answer.unanswered["1"].code) == ("unavailable", "timeout")


def test_a_post_whose_missing_insights_look_like_its_own_absence_is_live():
    def node(query):
        return GONE if "insights" in query["fields"] else media()

    graph = Graph(ADAPTER, {"1": node, "1/insights": error(100, 33)})
    answer = graph.fetch("1", "2")
    assert (answer.readings["1"].availability, answer.readings["1"].metrics.likes) == ("live", 20)
    assert (answer.error_of("1").kind, answer.error_of("1").code) == ("invalid", "100")
    assert answer.readings["2"] == PostReading("2", Availability.MISSING)
    assert graph.batches[1:] == [[f"1?fields={FIELDS}", f"2?fields={FIELDS}"], ["1/insights?metric=views,shares"]]


def test_a_throttled_element_waits_as_long_as_the_whole_answer_says():
    headers = {"X-Business-Use-Case-Usage": BUC % (100, 3)}
    answer = fetch({"1": error(4), "2": media("2", insights=insights(views=1))}, "1", "2", headers=headers)
    assert (answer.unanswered["1"].kind, answer.unanswered["1"].retry_after_s) == ("rate_limit", 180)


def test_a_post_that_stays_without_answer_is_never_missing():
    answer = fetch({"1": None, "2": media("2", insights=insights(views=1))}, "1", "2")
    assert list(answer.readings) == ["2"]
    assert (answer.unanswered["1"].kind, answer.unanswered["1"].retryable) == ("unavailable", True)
    assert refusal({"1": None}).kind == "unavailable"


def test_what_the_first_call_told_stands_when_a_later_one_fails():
    whole = media("2", insights=insights(views=1))
    told = [{"code": 200, "body": json.dumps(each)} for each in (media("1"), whole)]
    with respx.mock() as router:
        router.post(f"{BASE}/v26.0/").mock(
            side_effect=[
                httpx.Response(200, json=told),
                httpx.Response(429, headers={"Retry-After": "9"}),
            ]
        )
        answer = ADAPTER.fetch(HTTP, ["1", "2"])
    assert list(answer.readings) == ["2"]
    assert {each: error.kind for each, error in answer.unanswered.items()} == {"1": "rate_limit"}
    assert (answer.data_calls, answer.rest_s) == (2, 9)


def test_where_every_post_failed_what_concerns_the_lane_is_told():
    assert refusal({"1": (200, "<html>"), "2": error(4)}, "1", "2").kind == "rate_limit"


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        *((error(code), "rate_limit") for code in (4, 17, 32, 341, 368, 613, 80000, 80002, 80014)),
        (error(4, status=403, is_transient=True), "rate_limit"),
        *((error(code, status=500), "unavailable") for code in (1, 2, 100, 190, 4)),
        (error(2), "unavailable"),
        (error(999, is_transient=True), "unavailable"),
        (error(100, None, "(#100) Tried accessing nonexisting field (x)"), "invalid"),
        (error(999), "invalid"),
        (error(190, 463), "auth"),
        (error(102, status=401), "auth"),
        ((200, "<html>"), "malformed"),
        ((200, ""), "malformed"),
        ((200, "false"), "malformed"),
        ((200, "[]"), "malformed"),
        ((200, media(insights={"data": 5})), "malformed"),
        ((200, {"error": {"code": 190}}), "auth"),
        ((200, {"error": {"code": 99999}}), "malformed"),
        (error(2500), "auth"),
        (error(9), "rate_limit"),
        ((400, '{"error": {"code": 190, "x": NaN}}'), "auth"),
        ((502, "<html>"), "unavailable"),
        ((302, ""), "unavailable"),
    ],
)
def test_what_an_element_fails_with_leaves_the_others(trouble, kind):
    good = media("2", insights=insights(views=1))
    answer = fetch({"1": trouble, "1/insights": trouble, "2": good}, "1", "2")
    assert list(answer.readings) == ["2"]
    assert answer.unanswered["1"].kind == kind
    error = refusal({"1": trouble, "1/insights": trouble})
    assert (error.kind, error.retryable) == (kind, kind in ("rate_limit", "unavailable", "malformed"))
    assert "the-token" not in str(error)


def test_insights_that_are_throttled_are_asked_for_again_and_not_taken_for_none():
    assert fetch({"1": media(), "1/insights": error(4), "2": GONE}, "1", "2").unanswered["1"].kind == "rate_limit"


def call(status=200, **answer):
    with respx.mock() as router:
        router.post(f"{BASE}/v26.0/").respond(status, **answer)
        return ADAPTER.fetch(HTTP, ["1"])


BUC = '{"178414": [{"type": "instagram", "call_count": %s, "total_time": 5, "estimated_time_to_regain_access": %s}]}'


ODD_BATCHES: list[object] = [{}, [], [5], [{}], [[]], "x", [None] * 2, [{"code": "x", "body": "{}"}]]


@pytest.mark.parametrize(
    ("status", "trouble", "headers", "kind", "code", "wait"),
    [
        (400, error(4)[1], {}, "rate_limit", "4", None),
        (403, error(80002)[1], {"X-Business-Use-Case-Usage": BUC % (100, 3)}, "rate_limit", "80002", 180),
        (400, error(17)[1], {"X-Business-Use-Case-Usage": BUC % (100, 0)}, "rate_limit", "17", None),
        (400, error(17)[1], {"X-Business-Use-Case-Usage": "{"}, "rate_limit", "17", None),
        (400, error(17)[1], {"X-Ad-Account-Usage": '{"reset_time_duration": 90}'}, "rate_limit", "17", 90),
        (429, {}, {"Retry-After": "7"}, "rate_limit", "http_429", 7),
        (400, error(190, 463)[1], {}, "auth", "190", None),
        (401, error(190)[1], {}, "auth", "190", None),
        (400, error(10)[1], {}, "permission", "10", None),
        (400, error(100)[1], {}, "invalid", "100", None),
        (500, error(100, message="The ids query parameter is deprecated")[1], {}, "unavailable", "100", None),
        (500, error(190)[1], {}, "unavailable", "190", None),
        (503, {}, {}, "unavailable", "http_503", None),
        (302, {}, {"Location": "https://evil.test"}, "unavailable", "http_302", None),
        (200, error(190)[1], {}, "auth", "190", None),
        *((200, each, {}, "malformed", "unexpected_shape", None) for each in ODD_BATCHES),
    ],
)
def test_a_call_that_fails_as_a_whole(status, trouble, headers, kind, code, wait):
    with pytest.raises(PlatformError) as caught:
        call(status, json=trouble, headers=headers)
    assert (caught.value.kind, caught.value.code, caught.value.retry_after_s) == (kind, code, wait)


@pytest.mark.parametrize(("status", "kind"), [(200, "malformed"), (403, "permission"), (502, "unavailable")])
def test_a_page_instead_of_an_answer(status, kind):
    for page in (b"<html>", b""):
        with pytest.raises(PlatformError) as caught:
            call(status, content=page)
        assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({"X-App-Usage": '{"call_count": 28, "total_time": 25, "total_cputime": 99}'}, None),
        ({"X-App-Usage": '{"call_count": 28, "total_time": 100, "total_cputime": 25}'}, 300),
        ({"X-Page-Usage": '{"call_count": 120.5}'}, 300),
        ({"X-Business-Use-Case-Usage": BUC % (100, 3)}, 180),
        ({"X-Business-Use-Case-Usage": BUC % (100, 0)}, 300),
        ({"X-Business-Use-Case-Usage": BUC % (99, 3)}, None),
        ({"X-Ad-Account-Usage": '{"acc_id_util_pct": 100, "reset_time_duration": 60}'}, 60),
        *(({"X-App-Usage": each}, None) for each in ("", "{", "[]", '{"call_count": "100"}', '{"call_count": true}')),
        ({"X-Business-Use-Case-Usage": '{"1": 5, "2": [5], "3": {}}'}, None),
    ],
)
def test_a_good_answer_says_when_nothing_is_left(headers, rest):
    answer = fetch({"1": media(insights=insights(views=1))}, headers=headers)
    assert answer.rest_s == rest


@pytest.mark.parametrize(
    ("fields", "metrics", "error"),
    [
        ({"like_count": "20", "comments_count": 0}, UnifiedMetrics(9, 20, 0, 1), None),
        ({"like_count": -1}, UnifiedMetrics(9, None, 3, 1), "malformed_figure"),
        ({"comments_count": 1.5}, UnifiedMetrics(9, 20, None, 1), "malformed_figure"),
        ({"view_count": 5, "shares_count": 6}, UnifiedMetrics(9, 20, 3, 1), None),
    ],
)
def test_figures_are_read_one_by_one(fields, metrics, error):
    reading = fetch({"1": media(insights=insights(views=9, shares=1), **fields)}).readings["1"]
    assert (reading.availability, reading.metrics, reading.error) == ("live", metrics, error)


def test_where_insights_say_nothing_the_newer_fields_do():
    item = media(insights={"data": []}, view_count=5, shares_count=6)
    assert fetch({"1": item}).readings["1"].metrics == UnifiedMetrics(5, 20, 3, 6)


def test_links_to_further_pages_hold_the_token_and_are_not_kept():
    link = {"cursors": {"after": "x"}, "next": "https://graph.facebook.com/?access_token=the-token"}
    item = media(insights=insights(views=9) | {"paging": link}, comments={"data": [{"paging": link}], "paging": link})
    reading = fetch({"1": item}).readings["1"]
    assert reading.metrics.views == 9
    assert "the-token" not in str(reading)
    assert "the-token" not in str(fetch({"1": media(), "1/insights": item["insights"]}).readings)


# --- A host without batches

SINGLE = InstagramAdapter(CONFIG | {"base_url": "https://graph.instagram.com"})


def test_where_a_batch_is_not_known_to_work_each_post_is_a_call():
    with respx.mock() as router:
        for each in ("1", "2"):
            router.get(f"https://graph.instagram.com/v26.0/{each}").respond(
                json=media(each, insights=insights(views=9, shares=1))
            )
        spent = []
        answer = SINGLE.fetch(HTTP, ["1", "2"], token="their-token", spend=spent.append)
        assert {call.request.headers["Authorization"] for call in router.calls} == {"Bearer their-token"}
    assert [each.metrics.views for each in answer.readings.values()] == [9, 9]
    assert (answer.data_calls, spent) == (2, [1, 1])


@pytest.mark.parametrize(("trouble", "calls"), [(error(4), 2), (error(190), 2), (error(2), 3), (GONE, 4)])
def test_once_throttled_the_rest_is_left_for_later(trouble, calls):
    with respx.mock(assert_all_called=False) as router:
        for each in ("1", "2", "3"):
            router.get(f"https://graph.instagram.com/v26.0/{each}").respond(
                json=media(each, insights=insights(views=9))
            )
        router.get("https://graph.instagram.com/v26.0/2").respond(trouble[0], json=trouble[1])
        answer = SINGLE.fetch(HTTP, ["1", "2", "3"])
    assert answer.data_calls == calls
    assert answer.readings["1"].availability == "live"
    assert ("3" in answer.unanswered) is (calls == 2)


# --- The ids in URLs


def pages(*lists):
    """A list in pages, whose own link to the next one leads astray."""
    answers = []
    for number, items in enumerate(lists):
        paging = {"cursors": {"before": "x", "after": f"after{number}"}}
        if number < len(lists) - 1:
            paging["next"] = "https://evil.test/?access_token=secret"
        answers.append(httpx.Response(200, json={"data": items, "paging": paging}))
    return answers


def test_the_id_in_a_url_is_found_in_its_owners_list():
    lists = pages([media("1"), media("2")], [{"id": "3", "permalink": "https://www.instagram.com/p/C3/"}], [media("4")])
    with respx.mock() as router:
        route = router.get(f"{BASE}/v26.0/me/media").mock(side_effect=lists)
        found = ADAPTER.resolve(HTTP, [Wanted("C1"), Wanted("C3")], token="their-token")
    assert found == {"C1": "1", "C3": "3"}
    assert [dict(each.request.url.params) for each in route.calls] == [
        {"fields": "id,shortcode,permalink", "limit": "100"},
        {"fields": "id,shortcode,permalink", "limit": "100", "after": "after0"},
    ]


def test_a_list_is_given_up_after_twenty_pages_and_at_its_end():
    with respx.mock() as router:
        route = router.get(f"{BASE}/v26.0/178414/media").mock(side_effect=pages(*[[media("1")]] * 30))
        assert ADAPTER.resolve(HTTP, [Wanted("C9")], token="t", account_id="178414") == {}
        assert route.call_count == 20
        route.mock(side_effect=pages([media("1")]))
        assert ADAPTER.resolve(HTTP, [Wanted("C9")], token="t", account_id="178414") == {}
        assert route.call_count == 21


def test_without_an_owner_nothing_can_be_resolved():
    assert ADAPTER.resolve(HTTP, [Wanted("C1")]) == {}
    assert ADAPTER.resolve(HTTP, [], token="t") == {}


# --- Business discovery

OURS = f"{BASE}/v26.0/17841400000000001"


def account(*items, after=None, **fields):
    paging = {"cursors": {"after": after}} if after else {}
    found = {"id": "178", "username": "somebody", "followers_count": 70, "media": {"data": items, "paging": paging}}
    return {"business_discovery": found | fields, "id": "17841400000000001"}


def test_posts_of_people_who_are_not_connected_have_likes_and_comments():
    with respx.mock() as router:
        route = router.get(OURS).mock(
            side_effect=[
                httpx.Response(200, json=account(media("1"), after="c1")),
                httpx.Response(200, json=account(media("2"), media("3"))),
            ]
        )
        spent = []
        found = ADAPTER.discover(HTTP, "somebody", ["C2", "C9"], spend=spent.append)
        asked = [call.request.url.params["fields"] for call in route.calls]
    assert list(found) == ["C2"]
    assert found["C2"].metrics == UnifiedMetrics(likes=20, comments=3)
    assert (found["C2"].author_id, found["C2"].author_handle, found["C2"].followers) == ("178", "somebody", 70)
    assert asked[0].startswith("business_discovery.username(somebody){id,username,followers_count,media.limit(50){id,")
    assert "media.after(c1).limit(50){" in asked[1]
    assert spent == [1, 1]


def test_nobody_of_that_name_is_discovered():
    with respx.mock() as router:
        router.get(OURS).respond(400, json=error(110, 2207013, "Invalid user id")[1])
        assert ADAPTER.discover(HTTP, "somebody", ["C1"]) == {}
        assert ADAPTER.profile(HTTP, "somebody") is None
    for name in ("a){id}", "", "a b", "é"):
        assert ADAPTER.discover(HTTP, name, ["C1"]) == {}


def test_without_an_account_of_our_own_nobody_is_discovered():
    adapter = InstagramAdapter(CONFIG | {"business_id": ""})
    for ask in (lambda: adapter.discover(HTTP, "somebody", ["C1"]), lambda: adapter.profile(HTTP, "somebody")):
        with pytest.raises(PlatformError) as caught:
            ask()
        assert (caught.value.kind, caught.value.code) == ("invalid", "business_id_missing")


def test_profiles_are_read_by_discovery_and_by_token():
    bio = {"biography": "Hello ck-1234"}
    with respx.mock() as router:
        router.get(OURS).respond(json=account(**bio))
        router.get(f"{BASE}/v26.0/me").respond(
            json={"user_id": "178", "id": "9", "username": "Somebody", "followers_count": 70, **bio}
        )
        assert ADAPTER.profile(HTTP, "@Somebody") == Profile("178", "somebody", "Hello ck-1234", 70)
        assert ADAPTER.owner(HTTP, "t") == Profile("178", "Somebody", "Hello ck-1234", 70)
        assert ADAPTER.profile(HTTP, "somebody", token="t") == Profile("178", "Somebody", "Hello ck-1234", 70)
        assert ADAPTER.profile(HTTP, "another", token="t") is None


def test_a_discovery_that_fails_is_an_error():
    with respx.mock() as router:
        router.get(OURS).respond(400, json=error(4)[1])
        with pytest.raises(PlatformError) as caught:
            ADAPTER.discover(HTTP, "somebody", ["C1"])
    assert caught.value.kind == "rate_limit"


def test_an_owners_token_speaks_to_the_host_that_gave_it_one_post_at_a_time():
    adapter = InstagramAdapter(CONFIG | {"owner_base_url": "https://graph.instagram.com"})
    with respx.mock() as router:
        router.get(url__startswith="https://graph.instagram.com/v26.0/1").respond(
            json=media("1", insights={"data": []})
        )
        router.get(url__startswith="https://graph.instagram.com/v26.0/me").respond(json={"user_id": "5", "id": "6"})
        assert adapter.fetch(HTTP, ["1"], token="an-owners").readings["1"].metrics.likes == 20
        assert adapter.owner(HTTP, "an-owners").external_id == "5"
        assert {call.request.headers["authorization"] for call in router.calls} == {"Bearer an-owners"}
    with respx.mock() as router:
        route = router.get(url__startswith=f"{BASE}/v26.0/17841400000000001").respond(
            json={"business_discovery": {"id": "7", "username": "somebody"}}
        )
        assert adapter.profile(HTTP, "somebody").external_id == "7"
        assert route.called
