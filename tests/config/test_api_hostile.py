"""Nothing that anybody can send makes the API stumble: each gets a 4xx problem document, and leaves no row.

Every route of docs/api.md that changes something meets the whole corpus, by somebody who may use it.
"""

import re

import pytest
from django.apps import apps
from rest_framework.test import APIClient

from tests.config.api_world import documented
from tests.hostile import AMOUNTS, BODIES, COUNTS, DAYS, QUERIES, TEXTS, URLS, assert_problem

TABLE = documented()
WRITING = [row for row in TABLE if row.method != "GET" and not row.is_upload]
BULK = "/api/v1/submissions/bulk"
AT_BULK = {"300 KB": 400, "1 MB": 400, "3 MB": 400, "multipart": 403}
"""It takes longer bodies, and forms of others."""
LISTS = [
    row for row in TABLE if row.method == "GET" and "{" not in row.path and not row.path.endswith("/me") and row.scope
]
NO_TEXTS = [value for value in TEXTS if value not in ("", "   ")]
NO_WORDS = [value for value in NO_TEXTS if value != "line\nbreak"]
NO_FLAGS = ["true", "yes", 1, 0, [], {}]
NO_IDS = ["1", "null", "0" * 32, 1.5, True, [], {}, "018f0000-0000-7000-8000-00000000000g"]
NO_POSTS = ["x", 1, True, {}, [], [1], [[]], [None], ["nonsense"], ["0"] * 501]
NO_SECRETS = [
    "x", 1, True, [], {"no_such": "x"}, {"api_key": 5}, {"api_key": ""}, {"api_key": "\u0665"}, {"api_key": "a\nb"},
    {"api_key": ["x"]}, {"api_key": "x" * 100_000},
]  # fmt: skip
NO_LANDING_PAGES = [
    "ftp://shop.example/", "javascript:alert(1)", "//shop.example/", "https://user@shop.example/", "not a link",
    "https://b\u00fccher.example/", "https://shop.example/\u202e", "x" * 100_000, 5, True, [], {},
]  # fmt: skip
NO_ITEMS = ["x", 1, True, {}, [], None, [{}] * 501]
NO_LISTS = ["x", 1, True, {}, [1], [[]], [None], [{}], [{"platform": 1}], [{"platform": "\u0665"}]]
VALUES = {
    "rows": ["some", "", 1, True, [], {}, None],
    "allows_get_postbacks": NO_FLAGS,
    "another": NO_FLAGS,
    "attribution_days": [0, 367, *COUNTS],
    "click_window_min": [0, 1_441, *COUNTS],
    "destination": [*(url for url in URLS if url), 5, [], {}, True],
    "label": NO_TEXTS,
    "landing_url": NO_LANDING_PAGES,
    "tracking_link": TEXTS,
    "advertiser": NO_IDS,
    "affiliate": NO_IDS,
    "allows_shared_content": NO_FLAGS,
    "requires_proof": NO_FLAGS,
    "brand": TEXTS,
    "budget": AMOUNTS,
    "breaker_failures": [0, *COUNTS],
    "breaker_open_max_s": [0, 901, 9, *COUNTS],
    "breaker_open_s": [0, 901, *COUNTS],
    "campaign": NO_IDS,
    "campaign_name": TEXTS,
    "claim_window_days": COUNTS,
    "claimed_clicks": COUNTS,
    "claimed_conversions": COUNTS,
    "claimed_views": COUNTS,
    "code": TEXTS,
    "conversion_lag_h": COUNTS,
    "country": TEXTS,
    "credentials": NO_SECRETS,
    "currency": TEXTS,
    "daily_quota": [0, *COUNTS],
    "description": NO_WORDS,
    "discord_user_id": TEXTS,
    "email": TEXTS,
    "ends_on": DAYS,
    "handle": [*TEXTS, "two words", "a/b", "@", "@@a", "a" * 200],
    "is_open": NO_FLAGS,
    "items": NO_ITEMS,
    "market": TEXTS,
    "name": TEXTS,
    "level": ["low", "", "HIGHEST", 1, True, [], {}],
    "outcome": ["stands", "", "TOO_EARLY", "POST_MISSING", 1, True, [], {}, None],
    "reason": ["", "silence", "EVIDENCE", 1, True, [], {}, None],
    "text": [value for value in TEXTS if value != "line\nbreak"],
    "note": [value for value in TEXTS if value != "line\nbreak"],
    "password": [[], {}, True, "", "x" * 100_000],
    "platform": TEXTS,
    "platforms": NO_LISTS,
    "post_url": URLS,
    "posts": NO_POSTS,
    "rate_calls": [0, *COUNTS],
    "rate_window_s": [0, 86_401, *COUNTS],
    "region": NO_TEXTS,
    "starts_on": DAYS,
    "title": NO_TEXTS,
    "token": [*NO_TEXTS, "two words", "sb.x.3.1", "AIza" + "x" * 35, "\u0661", "x" * 100_000],
    "url": URLS,
    "views_lag_h": [1_441, *COUNTS],
    "year": COUNTS,
}
"""What no field of this name takes, in whichever request it stands."""


def number_of_rows():
    return {model.__name__: model.objects.count() for model in apps.get_models() if model.__name__ != "Session"}


@pytest.mark.parametrize("row", WRITING, ids=lambda row: f"{row.method} {row.path}")
def test_no_body_gets_past_the_parser_or_an_unknown_field(world, row):
    client, path = world.client_for(row), world.path(row.path)
    before, wrong = number_of_rows(), []
    for raw in BODIES:
        response = client.generic(row.method, path, raw.body, content_type=raw.content_type)
        status = AT_BULK.get(raw.name, raw.status) if row.path == BULK else raw.status
        if response.status_code != status:
            wrong.append((raw.name, response.status_code))
        else:
            assert_problem(response, status)
    assert wrong == []
    assert number_of_rows() == before


@pytest.mark.parametrize("row", WRITING, ids=lambda row: f"{row.method} {row.path}")
def test_no_field_takes_what_is_not_meant(world, row):
    client, path, body = world.client_for(row), world.path(row.path), world.body(row)
    before, wrong = number_of_rows(), []
    for name in body:
        for value in VALUES[name]:
            response = client.generic(
                row.method,
                path,
                APIClient()._encode_data(body | {name: value}, "json")[0],
                content_type="application/json",
            )
            if response.status_code not in (400, 422):
                wrong.append((name, repr(value)[:60], response.status_code))
                continue
            fields = [error["field"] or "" for error in assert_problem(response, response.status_code)["errors"]]
            if name not in (re.split(r"[.\[]", field)[0] for field in fields):
                wrong.append((name, repr(value)[:60], fields))
    assert wrong == []
    assert number_of_rows() == before


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.path)
def test_no_query_gets_past_a_list(world, row):
    client = world.client_for(row)
    wrong = [query for query in QUERIES if client.get(f"{row.path}?{query}").status_code != 400]
    assert wrong == []
    for query in QUERIES:
        assert assert_problem(client.get(f"{row.path}?{query}"), 400)["errors"][0]["field"]


@pytest.mark.parametrize("row", WRITING, ids=lambda row: f"{row.method} {row.path}")
def test_a_revoked_key_or_none_leaves_no_row(world, row):
    if row.allows("anonymous"):
        return
    before = number_of_rows()
    for headers in ({}, {"authorization": "Bearer ck_live_" + "0" * 76}):
        assert_problem(APIClient().generic(row.method, world.path(row.path), b"{", headers=headers), 401)
    assert number_of_rows() == before
