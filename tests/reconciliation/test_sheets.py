"""Rows are shown as their objects are, whichever of the two an answer is made of."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from config.api.renderers import FastJSONRenderer
from config.api.sheets import Sheet
from platforms.metrics import Availability
from reconciliation.api.serializers import ClaimSerializer, PostInShortSerializer, TruthSerializer
from reconciliation.models import AffiliateReport, PlatformReport
from tests.factories import PostFactory

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def claim():
    return AffiliateReport.objects.create(post=PostFactory(), claimed_views=0, claimed_at=MOMENT)


def snapshot():
    return PlatformReport.objects.create(
        post=PostFactory(),
        availability=Availability.LIVE.value,
        views=2**53 - 1,
        provenance={"views": "público ≠ \u2028"},
        fetched_at=MOMENT.replace(microsecond=120),
    )


@pytest.mark.parametrize(
    ("serializer", "make"),
    [(ClaimSerializer, claim), (TruthSerializer, snapshot), (PostInShortSerializer, PostFactory)],
)
def test_a_row_is_shown_as_its_object_is(serializer, make):
    row = make()
    [shown] = Sheet(serializer, type(row).objects.all).show([row.pk], {})
    render = FastJSONRenderer().render
    assert render(shown) == render(serializer(row).data)


def test_rows_are_shown_in_the_order_in_which_they_are_asked_for_and_missing_ones_left_out():
    claims = [claim().pk for _ in range(3)]
    sheet = Sheet(ClaimSerializer, AffiliateReport.objects.all)
    shown = sheet.show([claims[1], uuid4(), claims[2], claims[0]], {})
    assert [each["id"] for each in shown] == [claims[1], claims[2], claims[0]]


def test_rows_of_a_key_are_shown_in_the_order_of_the_query():
    post = PostFactory()
    claims = [AffiliateReport.objects.create(post=post, claimed_views=n, claimed_at=MOMENT).pk for n in range(3)]
    by_post = Sheet(ClaimSerializer, lambda: AffiliateReport.objects.order_by("-claimed_views"), key="post")
    found = by_post.by_key([post.pk, uuid4()], {})
    assert {key: [each["id"] for each in rows] for key, rows in found.items()} == {post.pk: claims[::-1]}
