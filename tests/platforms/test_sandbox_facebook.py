"""Facebook pages on the Graph API in the sandbox, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.world import SPAN, Presence, Series, WorldPost

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
AUTHOR = 0
PAGE = Token("facebook", AUTHOR, 1, 0, Kind.PAGE).text
PERSON = Token("facebook", AUTHOR, 1, 0).text
COUNTS = "shares,comments.summary(true).limit(0),reactions.summary(true).limit(0),permalink_url,created_time,from"


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
    return server.state.world.post("facebook", Series.EVEN, AUTHOR)


def get(http: httpx.Client, node: str, access_token: str = PAGE, **params: str) -> Any:
    return http.get(f"/facebook/v26.0/{node}", params={"access_token": access_token, **params}).json()


def pick(server: SandboxServer, wanted: str) -> WorldPost:
    return next(each for each in server.state.world.posts("facebook", Series.EVEN) if wanted in each.url)


def test_a_post_counts_reactions_comments_and_shares(http: httpx.Client, post: WorldPost) -> None:
    answer = get(http, post.api_id, fields=COUNTS)
    assert answer == {
        "id": post.api_id,
        "shares": {"count": post.final.shares},
        "comments": {"data": [], "summary": {"order": "ranked", "total_count": post.final.comments}},
        "reactions": {"data": [], "summary": {"viewer_reaction": "NONE", "total_count": post.final.likes}},
        "permalink_url": post.url,
        "created_time": post.published_at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "from": {"name": "Lazy Fork", "id": post.author_id},
    }


def test_likes_are_fewer_than_all_reactions(http: httpx.Client, post: WorldPost) -> None:
    fields = "reactions.summary(true),reactions.type(LIKE).summary(true).as(likes),likes.summary(true).as(again)"
    answer = get(http, post.api_id, fields=fields)
    likes = answer["likes"]["summary"]["total_count"]
    assert 0 < likes < answer["reactions"]["summary"]["total_count"]
    assert answer["again"]["summary"]["total_count"] == likes


def test_without_a_summary_nothing_is_counted(http: httpx.Client, post: WorldPost) -> None:
    assert get(http, post.api_id, fields="comments.limit(0)")["comments"] == {"data": []}


def test_shares_are_absent_where_nobody_shared(server: SandboxServer, http: httpx.Client) -> None:
    young = server.state.world.post("facebook", Series.CURRENT, AUTHOR)
    server.state.set_clock(young.published_at, frozen=True)
    answer = get(http, young.api_id, fields=COUNTS)
    assert "shares" not in answer
    assert answer["comments"]["summary"]["total_count"] == 0


@pytest.mark.parametrize("presence", [Presence.REMOVED, Presence.DELETED, Presence.PRIVATE])
def test_what_is_gone_and_what_is_private_look_alike(
    server: SandboxServer, http: httpx.Client, presence: Presence
) -> None:
    posts = server.state.world.posts("facebook", Series.CURRENT)
    gone = next(each for each in posts if each.presence_at(NOW) is presence)
    error = get(http, gone.api_id, "sandbox", fields=COUNTS)["error"]
    assert (error["code"], error["error_subcode"]) == (100, 33)


# --- Videos


@pytest.mark.parametrize(("wanted", "link"), [("/watch/?v=", "/{page}/videos/{id}/"), ("/reel/", "/reel/{id}/")])
def test_a_video_is_a_bare_number_with_views_of_its_own(
    server: SandboxServer, http: httpx.Client, wanted: str, link: str
) -> None:
    video = pick(server, wanted)
    answer = get(http, video.external_id, "sandbox", fields="views,permalink_url,comments.summary(true)")
    assert answer["id"] == video.api_id == video.external_id
    assert answer["views"] == video.final.views
    assert answer["permalink_url"] == link.format(page=video.author_id, id=video.external_id)
    # The post around it has the page's id before it, an absolute link, and no views.
    around = f"{video.author_id}_{video.external_id}"
    assert get(http, around, "sandbox", fields="permalink_url") == {"id": around, "permalink_url": video.url}
    assert "nonexisting field (views)" in get(http, around, "sandbox", fields="views")["error"]["message"]


def test_an_opaque_post_is_a_number_in_the_api(server: SandboxServer, http: httpx.Client) -> None:
    opaque = pick(server, "pfbid")
    assert opaque.external_id not in opaque.api_id
    assert get(http, opaque.api_id, "sandbox", fields="permalink_url")["permalink_url"] == opaque.url
    page = f"{opaque.author_id}/published_posts"
    listed = get(http, page, "sandbox", fields="id,permalink_url", limit="20")["data"]
    assert {"id": opaque.api_id, "permalink_url": opaque.url} in listed


# --- Insights


def test_a_metric_comes_with_several_periods(http: httpx.Client, post: WorldPost) -> None:
    rows = get(http, f"{post.api_id}/insights", metric="post_media_view,post_clicks")["data"]
    assert [(row["name"], row["period"]) for row in rows] == [
        ("post_media_view", "day"),
        ("post_media_view", "lifetime"),
        ("post_clicks", "lifetime"),
    ]
    assert rows[1]["values"] == [{"value": post.final.views}]
    assert rows[0]["values"][0]["value"] < rows[1]["values"][0]["value"]
    (row,) = get(http, f"{post.api_id}/insights", metric="post_media_view", period="lifetime")["data"]
    assert row["period"] == "lifetime"


def test_insights_expand_inside_a_post(http: httpx.Client, post: WorldPost) -> None:
    fields = f"{COUNTS},insights.metric(post_media_view,post_reactions_by_type_total)"
    answer = get(http, post.api_id, fields=fields)
    assert answer["shares"] == {"count": post.final.shares}
    assert sum(answer["insights"]["data"][2]["values"][0]["value"].values()) == post.final.likes


@pytest.mark.parametrize("metric", ["post_impressions", "post_media_view,post_impressions_unique", ""])
def test_a_dead_metric_fails_the_whole_call(http: httpx.Client, post: WorldPost, metric: str) -> None:
    error = get(http, f"{post.api_id}/insights", metric=metric)["error"]
    assert (error["code"], error["message"]) == (100, "(#100) The value must be a valid insights metric")


def test_insights_are_for_the_page_and_not_for_the_person(http: httpx.Client, post: WorldPost) -> None:
    assert get(http, post.api_id, PERSON, fields="shares")["shares"] == {"count": post.final.shares}
    error = get(http, f"{post.api_id}/insights", PERSON, metric="post_media_view")["error"]
    assert (error["code"], "must be called with a Page Access Token" in error["message"]) == (190, True)


def test_insights_of_a_young_post_are_empty(server: SandboxServer, http: httpx.Client) -> None:
    young = server.state.world.post("facebook", Series.CURRENT, AUTHOR)
    server.state.set_clock(young.published_at + timedelta(hours=1), frozen=True)
    assert get(http, f"{young.api_id}/insights", metric="post_media_view") == {"data": []}


# --- Pages


def test_a_person_gets_the_tokens_of_their_pages(http: httpx.Client, post: WorldPost) -> None:
    (page,) = get(http, "me/accounts", PERSON, fields="id,name,access_token")["data"]
    assert (page["id"], page["name"]) == (post.author_id, "Lazy Fork")
    assert get(http, "me", page["access_token"], fields="id,username") == {
        "id": post.author_id,
        "username": "lazy.fork",
    }
    assert get(http, f"{post.api_id}/insights", page["access_token"], metric="post_clicks")["data"]
    assert get(http, "me", PERSON)["id"] != post.author_id


def test_a_page_token_ends_with_a_short_lived_one(http: httpx.Client) -> None:
    short = Token("facebook", AUTHOR, 1, int(NOW.timestamp()) + 60, Kind.SHORT).text
    (page,) = get(http, "me/accounts", short, fields="access_token")["data"]
    assert page["access_token"].endswith(f".{int(NOW.timestamp()) + 60}")


def test_a_page_lists_its_posts_and_its_videos(server: SandboxServer, http: httpx.Client, post: WorldPost) -> None:
    listed = get(http, "me/published_posts", fields="id", limit="50")["data"]
    assert all(each["id"].startswith(f"{post.author_id}_") for each in listed)
    videos = get(http, f"{post.author_id}/videos", fields="id,views", limit="3")["data"]
    assert all(each["id"].isdigit() and each["views"] for each in videos)


def test_a_page_is_not_for_strangers(http: httpx.Client, post: WorldPost) -> None:
    stranger = Token("facebook", AUTHOR + 1, 1, 0, Kind.PAGE).text
    for node in (post.author_id, f"{post.author_id}/published_posts"):
        assert get(http, node, stranger)["error"]["code"] == 10


def test_a_page_has_a_text_about_itself(http: httpx.Client, post: WorldPost) -> None:
    body = {"platform": "facebook", "handle": "lazy.fork", "bio": "cc-4711"}
    http.post("/__sandbox__/profiles", json=body).raise_for_status()
    assert get(http, post.author_id, fields="about") == {"id": post.author_id, "about": "cc-4711"}
