"""Instagram on the Graph API in the sandbox, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Token
from platforms.sandbox.world import SPAN, Presence, Series, WorldPost

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
AUTHOR = 5
OWN = Token("instagram", AUTHOR, 1, 0).text
COUNTS = "id,ig_id,shortcode,permalink,timestamp,caption,like_count,comments_count"


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as running:
        yield running


@pytest.fixture
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    server.state.reset()
    server.state.set_clock(NOW, frozen=True)
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


@pytest.fixture
def post(server: SandboxServer) -> WorldPost:
    return server.state.world.post("instagram", Series.EVEN, AUTHOR)


def get(http: httpx.Client, node: str, access_token: str = OWN, **params: str) -> Any:
    return http.get(f"/instagram/v26.0/{node}", params={"access_token": access_token, **params}).json()


def test_a_media_says_what_it_is_and_how_it_does(http: httpx.Client, post: WorldPost) -> None:
    assert get(http, post.api_id, fields=COUNTS) == {
        "id": post.api_id,
        "ig_id": get(http, post.api_id, fields="ig_id")["ig_id"],
        "shortcode": post.external_id,
        "permalink": post.url,
        "timestamp": post.published_at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "caption": post.title,
        "like_count": post.final.likes,
        "comments_count": post.final.comments,
    }
    assert get(http, post.api_id) == {"id": post.api_id}


def test_a_shortcode_is_found_by_listing_ones_media(http: httpx.Client, post: WorldPost) -> None:
    listed = get(http, "me/media", fields="id,shortcode", limit="50")["data"]
    assert {each["shortcode"]: each["id"] for each in listed}[post.external_id] == post.api_id
    assert post.api_id not in (post.external_id, get(http, post.api_id, fields="ig_id")["ig_id"])


def test_insights_come_by_name_in_both_shapes(http: httpx.Client, post: WorldPost) -> None:
    rows = get(http, f"{post.api_id}/insights", metric="views,shares,total_interactions,follows")["data"]
    assert [(row["name"], row["period"]) for row in rows] == [
        ("views", "lifetime"),
        ("shares", "lifetime"),
        ("total_interactions", "lifetime"),
    ]
    assert rows[0]["values"] == [{"value": post.final.views}]
    assert rows[1]["values"] == [{"value": post.final.shares}]
    assert rows[2]["total_value"]["value"] > 0


def test_insights_expand_inside_a_media(http: httpx.Client, post: WorldPost) -> None:
    answer = get(http, post.api_id, fields="like_count,insights.metric(views,shares){name,values}")
    assert answer["like_count"] == post.final.likes
    assert [(row["name"], row["values"][0]["value"]) for row in answer["insights"]["data"]] == [
        ("views", post.final.views),
        ("shares", post.final.shares),
    ]


@pytest.mark.parametrize(("metrics", "at"), [("plays", 0), ("views,impressions", 1), ("", 0)])
def test_one_bad_metric_fails_the_whole_call(http: httpx.Client, post: WorldPost, metrics: str, at: int) -> None:
    for answer in (
        get(http, f"{post.api_id}/insights", metric=metrics),
        get(http, post.api_id, fields=f"id,insights.metric({metrics})"),
    ):
        assert answer["error"]["code"] == 100
        assert f"metric[{at}] must be one of the following values: comments, " in answer["error"]["message"]


def test_insights_of_a_young_media_are_empty_and_not_nought(server: SandboxServer, http: httpx.Client) -> None:
    # The author's first post is private in this seed.
    young = server.state.world.post("instagram", Series.CURRENT, AUTHOR + 400)
    server.state.set_clock(young.published_at + timedelta(minutes=119), frozen=True)
    assert get(http, f"{young.api_id}/insights", metric="views") == {"data": []}
    server.state.set_clock(young.published_at + timedelta(days=2), frozen=True)
    assert get(http, f"{young.api_id}/insights", metric="views")["data"][0]["values"][0]["value"] > 0


def test_too_few_viewers_are_no_matter_of_permission(server: SandboxServer, http: httpx.Client) -> None:
    age = timedelta(hours=2)
    quiet = next(
        post
        for post in server.state.world.posts("instagram", Series.CURRENT)
        if (post.figures_at(post.published_at + age).views or 0) < 20 and not post.private
    )
    server.state.set_clock(quiet.published_at + age, frozen=True)
    error = get(http, f"{quiet.api_id}/insights", "sandbox", metric="views")["error"]
    assert error["code"] == 10
    assert "Not enough viewers for the media to show insights" in error["message"]


def test_a_hidden_like_count_is_absent(server: SandboxServer, http: httpx.Client) -> None:
    hidden = next(post for post in server.state.world.posts("instagram", Series.CURRENT) if post.final.likes is None)
    answer = get(http, hidden.api_id, "sandbox", fields=COUNTS)
    assert "like_count" not in answer
    assert answer["comments_count"] == hidden.figures_at(NOW).comments
    assert get(http, f"{hidden.api_id}/insights", "sandbox", metric="likes") == {"data": []}


@pytest.mark.parametrize("presence", [Presence.REMOVED, Presence.DELETED, Presence.PRIVATE])
def test_what_is_gone_and_what_is_private_look_alike(
    server: SandboxServer, http: httpx.Client, presence: Presence
) -> None:
    posts = server.state.world.posts("instagram", Series.CURRENT)
    gone = next(each for each in posts if each.presence_at(NOW) is presence)
    error = get(http, gone.api_id, "sandbox")["error"]
    assert (error["code"], error["error_subcode"]) == (100, 33)


def test_a_field_that_is_not_there_fails_the_whole_call(http: httpx.Client, post: WorldPost) -> None:
    error = get(http, post.api_id, fields="id,plays")["error"]
    assert (error["code"], "nonexisting field (plays)" in error["message"]) == (100, True)


# --- Accounts and business discovery


def test_an_account_is_its_owners(server: SandboxServer, http: httpx.Client) -> None:
    http.post("/__sandbox__/profiles", json={"platform": "instagram", "handle": "brave_fork", "bio": "cc-4711"})
    account_id = server.state.world.author_id("instagram", AUTHOR)
    expected = {"id": account_id, "user_id": account_id, "username": "brave_fork", "biography": "cc-4711"}
    assert get(http, "me", fields="user_id,username,biography") == expected
    assert get(http, account_id, fields="user_id,username,biography") == expected
    other = server.state.world.author_id("instagram", AUTHOR + 1)
    for node in (other, f"{other}/media"):
        assert get(http, node)["error"]["error_subcode"] == 33


def test_business_discovery_tells_likes_and_comments_of_others(server: SandboxServer, http: httpx.Client) -> None:
    me = server.state.world.author_id("instagram", AUTHOR)
    inner = "id,permalink,like_count,comments_count"
    fields = f"business_discovery.username(lazy_fork){{username,biography,media.limit(2){{{inner}}}}}"
    found = get(http, me, fields=fields)["business_discovery"]
    first = server.state.world.post("instagram", Series.CURRENT, 0)
    assert found["username"] == "lazy_fork"
    assert found["media"]["data"][0] == {
        "id": first.api_id,
        "permalink": first.url,
        "like_count": first.figures_at(NOW).likes,
        "comments_count": first.figures_at(NOW).comments,
    }
    after = found["media"]["paging"]["cursors"]["after"]
    fields = f"business_discovery.username(lazy_fork){{media.after({after}).limit(2){{id}}}}"
    following = get(http, me, fields=fields)["business_discovery"]["media"]["data"]
    assert len({each["id"] for each in following + found["media"]["data"]}) == 4


@pytest.mark.parametrize("inner", ["insights.metric(views)", "view_count", "shares_count"])
def test_business_discovery_tells_nothing_private(server: SandboxServer, http: httpx.Client, inner: str) -> None:
    me = server.state.world.author_id("instagram", AUTHOR)
    answer = get(http, me, fields=f"business_discovery.username(lazy_fork){{media{{{inner}}}}}")
    assert answer["error"]["code"] == 100


def test_business_discovery_of_nobody_is_refused(http: httpx.Client) -> None:
    error = get(http, "me", fields="business_discovery.username(nobody){id}")["error"]
    assert (error["code"], error["error_user_title"]) == (110, "Cannot find User")


def test_a_caption_can_be_set(http: httpx.Client, post: WorldPost) -> None:
    body = {"platform": "instagram", "external_id": post.external_id, "text": "cc-4711 #ad"}
    http.post("/__sandbox__/texts", json=body).raise_for_status()
    assert get(http, post.api_id, fields="caption")["caption"] == "cc-4711 #ad"
