"""Pages of lists. The staff's list of affiliates stands for all of them."""

from datetime import timedelta

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from affiliates.models import Affiliate
from config import clock
from config.api.pagination import CursorOrOffsetPage
from tests.factories import TODAY, AffiliateFactory, UserFactory
from tests.hostile import assert_problem

pytestmark = pytest.mark.django_db
LIST = "/api/v1/affiliates/"


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True))


def add(count, at=TODAY):
    with clock.at(at):
        return [str(row.pk) for row in AffiliateFactory.create_batch(count)]


def ids(answer):
    return [row["id"] for row in answer.json()["results"]]


def test_rows_that_are_added_meanwhile_are_neither_skipped_nor_repeated(staff):
    there = add(25)  # all of one moment, which no page may be torn apart by
    seen, url, pages = [], f"{LIST}?page_size=10", 0
    while url:
        answer = staff.get(url)
        seen += ids(answer)
        url = answer.json()["next"]
        pages += 1
        add(3, at=TODAY + timedelta(minutes=pages))
    assert pages == 3
    assert sorted(seen) == sorted(there)


def test_the_newest_come_first_and_the_way_back_is_the_same(staff):
    old, new = add(2), add(2, at=TODAY + timedelta(hours=1))
    first = staff.get(f"{LIST}?page_size=2")
    second = staff.get(first.json()["next"])
    assert (set(ids(first)), set(ids(second))) == (set(new), set(old))
    assert ids(staff.get(second.json()["previous"])) == ids(first)
    assert (first.json()["previous"], second.json()["next"]) == (None, None)


@pytest.mark.parametrize("size", ["0", "-1", "201", "1e2", "1_0", "٣", "", " 5", "99999999999", "abc"])
def test_a_size_that_is_none_is_refused(staff, size):
    document = assert_problem(staff.get(LIST, {"page_size": size}), 400)
    assert document["errors"][0]["field"] == "page_size"


@pytest.mark.parametrize("cursor", ["x", "%00", "cD0x", "cD1ub3RhZGF0ZQ==", "cD0lMDA=", "cj0xJnA9eA=="])
def test_a_cursor_that_is_none_is_refused(staff, cursor):
    add(1)
    document = assert_problem(staff.get(f"{LIST}?cursor={cursor}"), 400)
    assert document["errors"][0]["field"] == "cursor"


def by_offset(query):
    request = Request(APIRequestFactory().get(f"/?{query}"))
    paginator = CursorOrOffsetPage()
    rows = paginator.paginate_queryset(Affiliate.objects.all(), request)
    return rows, paginator.get_paginated_response([row.pk for row in rows]).data


def test_where_it_is_offered_limit_and_offset_work_too_and_count():
    add(5)
    everything = [row.pk for row in Affiliate.objects.order_by("-id")]
    rows, answer = by_offset("limit=2&offset=2")
    assert [row.pk for row in rows] == everything[2:4]
    assert answer["count"] == 5
    assert "offset=4" in answer["next"]
    rows, answer = by_offset("offset=4")
    assert (len(rows), answer["next"]) == (1, None)
    rows, answer = by_offset("")
    assert "count" not in answer


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "offset=-1", "offset=x", "offset=1000000000", "offset=%D9%A3"]
)
def test_a_limit_or_offset_that_is_none_is_refused(query):
    with pytest.raises(ValidationError, match="A whole number") as refused:
        by_offset(query)
    assert list(refused.value.detail) == [query.split("=")[0]]
