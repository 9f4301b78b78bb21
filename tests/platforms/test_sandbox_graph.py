"""What Instagram and Facebook share in the sandbox: batches, fields, tokens, pages and usage."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from platforms.sandbox.graph_fields import Field, FieldSyntaxError, parse
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.wire import FaultKind
from platforms.sandbox.world import SPAN, Series

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
NOW = EPOCH + SPAN
META = ("instagram", "facebook")
AUTHOR = 5


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=7, epoch=EPOCH) as running:
        running.state.set_clock(NOW, frozen=True)
        yield running


@pytest.fixture
def http(server: SandboxServer) -> Iterator[httpx.Client]:
    server.state.reset()
    with httpx.Client(base_url=server.url, timeout=5) as client:
        yield client


def token(platform: str, author: int = AUTHOR, *, expiry: int = 0) -> str:
    kind = Kind.PAGE if platform == "facebook" else Kind.ACCESS
    return Token(platform, author, 1, expiry, kind).text


def batch(http: httpx.Client, platform: str, urls: list[str], access_token: str, **more: str) -> httpx.Response:
    wanted = json.dumps([{"method": "GET", "relative_url": url} for url in urls])
    form = {"batch": wanted, "access_token": access_token, "include_headers": "false", **more}
    return http.post(f"/{platform}/v26.0/", data=form)


def bodies(answer: httpx.Response) -> list[Any]:
    return [element and json.loads(element["body"]) for element in answer.json()]


# --- Batches


@pytest.mark.parametrize("platform", META)
def test_a_batch_answers_in_the_order_asked_whatever_failed_inside(
    server: SandboxServer, http: httpx.Client, platform: str
) -> None:
    ids = [server.state.world.post(platform, Series.EVEN, AUTHOR + 400 * turn).api_id for turn in (2, 0, 1)]
    answer = batch(http, platform, [ids[0], "123", f"/{ids[1]}", f"v26.0/{ids[2]}?fields=id"], token(platform))
    assert answer.status_code == 200
    assert [element["code"] for element in answer.json()] == [200, 400, 200, 200]
    assert all(isinstance(element["body"], str) for element in answer.json())
    first, missing, *others = bodies(answer)
    assert [first["id"], *(each["id"] for each in others)] == ids
    assert (missing["error"]["code"], missing["error"]["error_subcode"]) == (100, 33)


@pytest.mark.parametrize("path", ["/instagram/v26.0/", "/instagram/v25.0", "/instagram/", "/instagram"])
def test_any_version_answers_and_says_which_one_did(http: httpx.Client, path: str) -> None:
    answer = http.post(path, data={"batch": "[]", "access_token": "sandbox"})
    assert (answer.status_code, answer.json()) == (200, [])
    assert answer.headers["facebook-api-version"] == "v26.0"


def test_headers_come_along_unless_they_are_not_wanted(http: httpx.Client) -> None:
    (element,) = batch(http, "instagram", ["1"], "sandbox").json()
    assert set(element) == {"code", "body"}
    (element,) = batch(http, "instagram", ["1"], "sandbox", include_headers="true").json()
    assert element["headers"][0]["name"] == "Content-Type"


def test_fifty_requests_fit_in_a_batch(http: httpx.Client) -> None:
    assert len(batch(http, "facebook", ["1"] * 50, "sandbox").json()) == 50
    answer = batch(http, "facebook", ["1"] * 51, "sandbox")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)
    assert "Maximum batch size is 50" in answer.json()["error"]["message"]


@pytest.mark.parametrize("given", ["", "{", "{}", "[1]", "null"])
def test_a_batch_that_is_no_list_of_requests_is_refused(http: httpx.Client, given: str) -> None:
    answer = http.post("/facebook/v26.0/", data={"batch": given, "access_token": "sandbox"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 100)


@pytest.mark.parametrize("element", [{"method": "POST", "relative_url": "1"}, {"method": "GET"}, {"relative_url": 5}])
def test_a_request_in_a_batch_reads_and_nothing_else(http: httpx.Client, element: dict[str, Any]) -> None:
    form = {"batch": json.dumps([element]), "access_token": "sandbox"}
    (answer,) = http.post("/facebook/v26.0/", data=form).json()
    assert (answer["code"], json.loads(answer["body"])["error"]["code"]) == (400, 100)


@pytest.mark.parametrize("platform", META)
def test_a_partial_batch_has_holes(server: SandboxServer, http: httpx.Client, platform: str) -> None:
    server.state.set_fault(platform, FaultKind.PARTIAL, 1, 30)
    answer = batch(http, platform, ["1", "2", "3", "4"], "sandbox")
    assert answer.status_code == 200
    assert [element is None for element in answer.json()] == [False, True, False, True]


def test_a_batch_is_one_call_for_the_posts_in_it(server: SandboxServer, http: httpx.Client) -> None:
    urls = ["1_2?fields=shares", "1_3/insights?metric=post_media_view", "me", "5/published_posts"]
    batch(http, "facebook", urls, "sandbox")
    http.get("/instagram/v26.0/17", params={"access_token": "sandbox"})
    http.get("/instagram/v26.0/me/media", params={"access_token": "sandbox"})
    assert server.state.stats()["facebook"] == {"data_calls": 1, "posts": 2}
    assert server.state.stats()["instagram"] == {"data_calls": 2, "posts": 1}


def test_a_request_in_a_batch_may_bring_its_own_token(server: SandboxServer, http: httpx.Client) -> None:
    post = server.state.world.post("instagram", Series.EVEN, AUTHOR)
    url = f"{post.api_id}?access_token={token('instagram')}"
    assert [each.get("id") for each in bodies(batch(http, "instagram", [post.api_id, url], ""))] == [None, post.api_id]


# --- What is dead, and tokens


@pytest.mark.parametrize("platform", META)
def test_the_dead_list_of_ids_answers_500(http: httpx.Client, platform: str) -> None:
    answer = http.get(f"/{platform}/v24.0/", params={"ids": "1,2", "access_token": "sandbox"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 100)
    assert "The ids query parameter is deprecated in v26.0+" in answer.json()["error"]["message"]


@pytest.mark.parametrize("platform", META)
@pytest.mark.parametrize(
    ("access_token", "code", "subcode"),
    [
        ("", 104, None),
        ("sb.instagram.5.1.99", 190, 463),
        ("sb.facebook.5.p1.99", 190, 463),
        ("sb.x.5.1.0", 190, 458),
        ("sb.instagram.5.r1.0", 190, 458),
    ],
)
def test_a_token_that_opens_nothing_is_told_by_its_code(
    http: httpx.Client, platform: str, access_token: str, code: int, subcode: int | None
) -> None:
    if access_token.startswith("sb.") and f".{platform}." not in access_token and subcode == 463:
        subcode = 458
    single = http.get(f"/{platform}/v26.0/me", params={"access_token": access_token})
    assert single.status_code == 400
    assert (single.json()["error"]["code"], single.json()["error"].get("error_subcode")) == (code, subcode)
    if access_token:
        # The token of a whole batch fails the whole batch.
        assert batch(http, platform, ["1"], access_token).json() == single.json()


@pytest.mark.parametrize("platform", META)
def test_a_post_opens_to_its_owner_and_to_the_sandboxs_application(
    server: SandboxServer, http: httpx.Client, platform: str
) -> None:
    post = server.state.world.post(platform, Series.EVEN, AUTHOR)
    for access_token in (token(platform), "sandbox"):
        answer = http.get(f"/{platform}/v26.0/{post.api_id}", params={"access_token": access_token})
        assert (answer.status_code, answer.json()["id"]) == (200, post.api_id)
    for access_token in (token(platform, AUTHOR + 1), "an application"):
        answer = http.get(f"/{platform}/v26.0/{post.api_id}", params={"access_token": access_token})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["error_subcode"]) == (400, 100, 33)
    # The application knows posts by the ids in their URLs too; nobody else does.
    by_url = [
        http.get(f"/{platform}/v26.0/{post.external_id}", params={"access_token": access_token}).json().get("id")
        for access_token in ("sandbox", token(platform))
    ]
    assert by_url == [post.api_id, None]


@pytest.mark.parametrize("platform", META)
def test_a_token_may_stand_in_a_header(server: SandboxServer, http: httpx.Client, platform: str) -> None:
    answer = http.get(f"/{platform}/v26.0/me", headers={"Authorization": f"Bearer {token(platform)}"})
    assert answer.json()["id"] == server.state.world.author_id(platform, AUTHOR)
    application = http.get(f"/{platform}/v26.0/me", params={"access_token": "sandbox"})
    assert application.json()["error"]["code"] == 2500


@pytest.mark.parametrize("platform", META)
def test_use_is_told_in_percent(http: httpx.Client, platform: str) -> None:
    headers = http.get(f"/{platform}/v26.0/1", params={"access_token": "sandbox"}).headers
    assert set(json.loads(headers["x-app-usage"])) == {"call_count", "total_time", "total_cputime"}
    (uses,) = json.loads(headers["x-business-use-case-usage"]).values()
    assert uses[0]["type"] == {"instagram": "instagram", "facebook": "pages"}[platform]
    assert uses[0]["estimated_time_to_regain_access"] == 0


# --- Pages of an edge


@pytest.mark.parametrize(("platform", "edge"), [("instagram", "media"), ("facebook", "published_posts")])
def test_an_edge_is_paged_by_cursor_and_by_link(
    server: SandboxServer, http: httpx.Client, platform: str, edge: str
) -> None:
    owner = server.state.world.author_id(platform, AUTHOR)
    params = {"access_token": token(platform), "limit": "3", "fields": "id"}
    first = http.get(f"/{platform}/v26.0/{owner}/{edge}", params=params).json()
    after = first["paging"]["cursors"]["after"]
    second = http.get(f"/{platform}/v26.0/me/{edge}", params={**params, "after": after}).json()
    assert len({each["id"] for each in first["data"] + second["data"]}) == 6
    # The link leads to the same page, and holds the token.
    assert http.get(first["paging"]["next"]).json()["data"] == second["data"]
    assert token(platform) in first["paging"]["next"]
    assert len(http.get(f"/{platform}/v26.0/me/{edge}", params={**params, "limit": "900"}).json()["data"]) == 100


def test_the_last_page_has_no_link(http: httpx.Client) -> None:
    params = {"access_token": token("instagram"), "limit": "100"}
    url: str | None = str(httpx.URL("/instagram/v26.0/me/media", params=params))
    seen: list[str] = []
    while url:
        page = http.get(url).json()
        seen += [each["id"] for each in page["data"]]
        url = page.get("paging", {}).get("next")
    assert len(seen) == len(set(seen)) > 1_400


@pytest.mark.parametrize("more", [{"after": "nonsense"}, {"limit": "many"}, {"fields": "id{"}, {"fields": "id,shazam"}])
def test_a_page_that_cannot_be_is_refused(http: httpx.Client, more: dict[str, str]) -> None:
    params = {"access_token": token("instagram"), **more}
    answer = http.get("/instagram/v26.0/me/media", params=params)
    assert (answer.status_code, answer.json()["error"]["code"] in (100, 2500)) == (400, True)


# --- Fields


def test_fields_are_read_with_modifiers_and_braces() -> None:
    assert parse("id,comments.summary(true).limit(0),insights.metric(views,reach){name,values}") == (
        Field("id"),
        Field("comments", {"summary": "true", "limit": "0"}),
        Field("insights", {"metric": "views,reach"}, (Field("name"), Field("values"))),
    )
    assert parse("reactions.type(LIKE).as(likes)")[0].key == "likes"
    assert parse("") == ()


@pytest.mark.parametrize("text", ["id,", ",id", "a b", "a{", "a{}", "a.b", "a.b(", "a}", "9", "a{" * 9 + "a" + "}" * 9])
def test_fields_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(FieldSyntaxError):
        parse(text)
