from datetime import UTC, datetime

import httpx
import pytest
import respx

from platforms.adapters.base import Profile, Wanted
from platforms.adapters.facebook import POST_FIELDS, VIDEO_FIELDS, FacebookAdapter
from platforms.errors import PlatformError
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from tests.platforms.graph import BASE, GONE, HTTP, Graph, error, insights

ADAPTER = FacebookAdapter({"base_url": BASE, "version": "v26.0", "credentials": {"access_token": "the-token"}})
NOT_PERMITTED = error(10, message="(#10) This endpoint requires the 'pages_read_user_content' permission")


def post(post_id="7_1", **fields):
    return {
        "id": post_id,
        "created_time": "2026-11-20T10:00:00+0000",
        "permalink_url": f"https://www.facebook.com/{post_id.replace('_', '/posts/')}",
        "message": "Look!",
        "from": {"id": "7", "name": "A page"},
        "shares": {"count": 4},
        "reactions": {"data": [], "summary": {"total_count": 125, "viewer_reaction": "NONE"}},
        "comments": {"data": [], "summary": {"order": "ranked", "total_count": 3, "can_comment": True}},
        "insights": insights(post_media_view=900),
        **fields,
    }


def views_of(period):
    return {"name": "post_media_view", "period": period, "values": [{"value": 7}]}


def without(node, *names):
    return {name: value for name, value in node.items() if name not in names}


def video(**fields):
    return {
        "id": "55",
        "created_time": "2026-11-20T10:00:00+0000",
        "permalink_url": "/somebody/videos/55/",
        "description": "Watch!",
        "from": {"id": "7", "name": "A page"},
        "views": 900,
        "post_views": 950,
        "likes": {"data": [], "summary": {"total_count": 20}},
        "comments": {"data": [], "summary": {"total_count": 3}},
        **fields,
    }


def read(answers, post_id="7_1"):
    return Graph(ADAPTER, answers).fetch(post_id).readings[post_id]


def test_posts_and_videos_go_in_one_call():
    graph = Graph(ADAPTER, {"7_1": post(), "55": video()})
    answer = graph.fetch("7_1", "55", token="page-token")
    assert graph.batches == [
        [
            f"7_1?fields={POST_FIELDS[0]},insights.metric(post_media_view){{name,period,values,total_value}}",
            f"55?fields={VIDEO_FIELDS[0]}",
        ]
    ]
    assert (answer.data_calls, graph.spent, graph.tokens) == (1, [2], ["page-token"])


def test_a_post_becomes_a_reading():
    item = post()
    assert read({"7_1": item}) == PostReading(
        "7_1",
        Availability.LIVE,
        UnifiedMetrics(views=900, likes=125, comments=3, shares=4),
        posted_at=datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
        author_id="7",
        author_handle="A page",
        text="Look!",
        permalink="https://www.facebook.com/7/posts/1",
        raw=item,
    )


def test_a_video_becomes_a_reading():
    item = video()
    assert read({"55": item}, "55") == PostReading(
        "55",
        Availability.LIVE,
        UnifiedMetrics(views=900, likes=20, comments=3, shares=None),
        posted_at=datetime(2026, 11, 20, 10, 0, tzinfo=UTC),
        author_id="7",
        author_handle="A page",
        text="Watch!",
        permalink="https://www.facebook.com/somebody/videos/55/",
        raw=item,
    )


@pytest.mark.parametrize(
    ("node", "metrics"),
    [
        (without(post(), "shares"), UnifiedMetrics(900, 125, 3, 0)),
        (post(shares={"count": 0}), UnifiedMetrics(900, 125, 3, 0)),
        (post(shares={}), UnifiedMetrics(900, 125, 3, None)),
        ({"id": "7_1", "insights": insights(post_media_view=900)}, UnifiedMetrics(views=900)),
        (post(comments={"count": 5}), UnifiedMetrics(900, 125, 5, 4)),
        (post(comments={"data": []}), UnifiedMetrics(900, 125, None, 4)),
        (without(post(likes={"summary": {"total_count": 119}}), "reactions"), UnifiedMetrics(900, 119, 3, 4)),
        (post(likes={"summary": {"total_count": 119}}), UnifiedMetrics(900, 125, 3, 4)),
        (post(shares=None), UnifiedMetrics(900, 125, 3, 0)),
        (post(comments=None, reactions=None), UnifiedMetrics(900, None, None, 4)),
        *(
            (post(insights={"data": [views_of(period)]}), UnifiedMetrics(None, 125, 3, 4))
            for period in ("day", "week", "days_28")
        ),
        (post(insights={"data": [views_of("day"), views_of("lifetime")]}), UnifiedMetrics(7, 125, 3, 4)),
        (post(insights={"data": [views_of(None)]}), UnifiedMetrics(7, 125, 3, 4)),
        (post(insights={"data": [views_of("lifetime") | {"values": []}]}), UnifiedMetrics(None, 125, 3, 4)),
        (post(insights={"data": []}), UnifiedMetrics(None, 125, 3, 4)),
        (post(insights=insights(total=True, post_media_view="7")), UnifiedMetrics(7, 125, 3, 4)),
        (post(insights=insights(post_clicks=5)), UnifiedMetrics(None, 125, 3, 4)),
    ],
)
def test_each_figure_in_its_older_and_newer_shapes(node, metrics):
    reading = read({"7_1": node})
    assert (reading.availability, reading.metrics, reading.error) == ("live", metrics, None)


@pytest.mark.parametrize(
    ("node", "views"), [(without(video(), "views"), 950), (without(video(), "views", "post_views"), None)]
)
def test_a_videos_views_are_among_its_fields(node, views):
    assert read({"55": node}, "55").metrics.views == views


def test_a_video_counts_reactions_where_it_has_them_and_no_shares_by_absence():
    node = video(reactions={"summary": {"total_count": 25}})
    assert read({"55": node}, "55").metrics == UnifiedMetrics(900, 25, 3, None)
    assert read({"55": video(shares={"count": 2})}, "55").metrics.shares == 2


def refuses(name, trouble, node):
    """A node that refuses every question in which a field is named."""
    return lambda query: trouble if name in query["fields"] else node


@pytest.mark.parametrize("code", [10, 200, 283])
def test_without_the_permission_for_reactions_the_rest_is_told(code):
    told = without(post(), "reactions", "comments", "insights")
    graph = Graph(
        ADAPTER,
        {"7_1": refuses("reactions", error(code), told), "7_1/insights": insights(post_media_view=900)},
    )
    answer = graph.fetch("7_1")
    reading = answer.readings["7_1"]
    assert (reading.availability, reading.error) == ("live", str(code))
    assert reading.metrics == UnifiedMetrics(views=900, likes=None, comments=None, shares=4)
    assert [len(each) for each in graph.batches] == [1, 2, 1]
    assert answer.data_calls == 3


def test_without_the_permission_for_insights_the_rest_is_told():
    node = refuses("insights", error(200, message="(#200) read_insights"), without(post(), "insights"))
    reading = read({"7_1": node, "7_1/insights": error(200)})
    assert (reading.metrics, reading.error) == (UnifiedMetrics(None, 125, 3, 4), "200")


def test_a_metric_that_is_no_more_leaves_the_rest():
    bad = error(100, message="(#100) The value must be a valid insights metric")
    node = refuses("insights", bad, without(post(), "insights"))
    reading = read({"7_1": node, "7_1/insights": bad})
    assert (reading.metrics, reading.error) == (UnifiedMetrics(None, 125, 3, 4), "invalid_metric")


def test_a_video_that_refuses_comments_or_views_tells_the_rest():
    silent = without(video(), "likes", "comments")
    reading = read({"55": refuses("comments", NOT_PERMITTED, silent)}, "55")
    assert (reading.metrics, reading.error) == (UnifiedMetrics(views=900), "10")
    unknown = error(100, message="(#100) Tried accessing nonexisting field (post_views) on node type (Photo)")
    photo = without(video(), "views", "post_views", "description")
    reading = read({"55": refuses("post_views", unknown, photo)}, "55")
    assert (reading.metrics, reading.error) == (UnifiedMetrics(likes=20, comments=3), "100")


def test_what_is_refused_in_every_way_is_denied_and_what_is_gone_missing():
    answers = dict.fromkeys(("7_1", "7_1/insights", "55"), NOT_PERMITTED) | {"7_2": GONE}
    answer = Graph(ADAPTER, answers).fetch("7_1", "55", "7_2", "7_3")
    assert {each: (r.availability.value, r.error) for each, r in answer.readings.items()} == {
        "7_1": ("denied", "10"),
        "55": ("denied", "10"),
        "7_2": ("missing", None),
        "7_3": ("missing", None),
    }


def test_a_post_that_vanishes_while_it_is_asked_for_less_is_missing():
    assert read({"7_1": [NOT_PERMITTED, NOT_PERMITTED, GONE], "7_1/insights": NOT_PERMITTED}).availability == "missing"


@pytest.mark.parametrize("fields", [{"shares": 5}, {"comments": "x"}, {"from": "x"}, {"insights": {}}])
def test_a_post_of_another_shape_is_asked_for_again_and_never_missing(fields):
    answer = Graph(ADAPTER, {"7_1": post(**fields), "7_2": GONE}).fetch("7_1", "7_2")
    assert list(answer.readings) == ["7_2"]
    assert answer.unanswered["7_1"].kind == "malformed"


def test_more_halves_than_a_batch_takes_go_in_several():
    ids = [f"7_{each}" for each in range(50)]
    nodes = {each: refuses("insights", error(100), without(post(each), "insights")) for each in ids}
    edges = {f"{each}/insights": insights(post_media_view=1) for each in ids}
    graph = Graph(ADAPTER, nodes | edges)
    answer = graph.fetch(*ids)
    assert {each.metrics.views for each in answer.readings.values()} == {1}
    assert [len(each) for each in graph.batches] == [50, 50, 50]


@pytest.mark.parametrize("post_id", ["7_1_2", "_1", "7_", "pfbid02abc", "me", "7/likes", "7?fields=x"])
def test_what_is_no_id_of_a_post_is_not_asked_for(post_id):
    answer = ADAPTER.fetch(HTTP, [post_id], spend=pytest.fail)
    assert answer.readings[post_id].availability == "missing"


# --- The ids in URLs


def test_a_number_gets_its_pages_before_it_and_a_video_is_its_own():
    wanted = [Wanted("1"), Wanted("55", kind="video"), Wanted("pfbid0ab", kind="video"), Wanted("x")]
    assert ADAPTER.resolve(HTTP, wanted[:2], account_id="7") == {"1": "7_1", "55": "55"}
    assert ADAPTER.resolve(HTTP, wanted) == {"55": "55"}
    assert ADAPTER.resolve(HTTP, [wanted[3]], account_id="7") == {}


def test_an_opaque_id_is_looked_up_among_the_pages_posts():
    def page(*posts, more=True):
        paging = {"cursors": {"after": "c1"}} | ({"next": "https://evil.test"} if more else {})
        return httpx.Response(200, json={"data": posts, "paging": paging})

    link = "https://www.facebook.com/somebody/posts/pfbid0"
    with respx.mock() as router:
        route = router.get(f"{BASE}/v26.0/7/published_posts").mock(
            side_effect=[
                page({"id": "7_1", "permalink_url": f"{link}abc"}),
                page({"id": "7_2", "permalink_url": f"{link}ab"}, {"id": "7_3"}, more=False),
            ]
        )
        found = ADAPTER.resolve(HTTP, [Wanted("pfbid0ab"), Wanted("pfbid0zz")], token="t", account_id="7")
        assert route.calls.last.request.url.params["after"] == "c1"
    assert found == {"pfbid0ab": "7_2"}


def test_a_list_that_is_refused_is_an_error():
    with respx.mock() as router:
        router.get(f"{BASE}/v26.0/7/published_posts").respond(400, json=NOT_PERMITTED[1])
        with pytest.raises(PlatformError) as caught:
            ADAPTER.resolve(HTTP, [Wanted("pfbid0ab")], token="t", account_id="7")
    assert (caught.value.kind, caught.value.code) == ("permission", "10")


def test_a_tokens_owner_is_its_page():
    page = {"id": "7", "name": "A page", "username": "APage", "about": "ck-1234", "followers_count": 5}
    with respx.mock() as router:
        router.get(f"{BASE}/v26.0/me").respond(json=page)
        assert ADAPTER.owner(HTTP, "t") == Profile("7", "APage", "ck-1234", 5)
        assert ADAPTER.profile(HTTP, "apage", token="t") == Profile("7", "APage", "ck-1234", 5)
        assert ADAPTER.profile(HTTP, "another", token="t") is None
        assert ADAPTER.profile(HTTP, "apage") is None
