"""Many rows in one statement are the rows that the ORM would have added one by one."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, transaction

from campaigns.models import Post, PostText
from config.bulk import insert_rows
from tests.factories import PostFactory

pytestmark = pytest.mark.django_db


def test_rows_are_added_as_they_are():
    like = PostFactory()
    place = {"campaign": like.campaign, "affiliate": like.affiliate, "platform": like.platform}
    posts = [
        Post(external_id="a", url="https://a/{},\"'\\", **place),
        Post(external_id="NULL", url="", api_id="", posted_at=datetime(2026, 3, 29, 1, 30, tzinfo=UTC), **place),
    ]
    posts[1].url = "https://b/\n\t"
    insert_rows(posts)
    names = [field.attname for field in Post._meta.concrete_fields]
    for post in posts:
        kept = Post.objects.filter(pk=post.pk).values(*names).get()
        assert kept == {name: getattr(post, name) for name in names}
    posts[0].save()  # it is known to be there


def test_what_is_too_long_is_refused_and_not_cut_off():
    text = PostText(post=PostFactory(), title="x" * 301)
    with pytest.raises(DataError), transaction.atomic():
        insert_rows([text])
