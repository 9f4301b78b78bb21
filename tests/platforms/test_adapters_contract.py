"""Each adapter against its twin in the sandbox: what the world holds is what is read, absent figures included."""

from itertools import islice

import pytest

from platforms.adapters import ADAPTER_CLASSES, adapter_for
from platforms.sandbox.tokens import Kind, Token
from platforms.sandbox.world import Series
from platforms.transport import shared_http
from tests.factories import TODAY

AUTHOR = 7
METRICS = ("views", "likes", "comments")


@pytest.mark.parametrize("platform", ADAPTER_CLASSES)
def test_an_adapter_reads_what_the_sandbox_holds(sandbox, platform):
    world, token = sandbox.state.world, None
    if platform in ("tiktok", "instagram", "facebook"):
        kind = Kind.PAGE if platform == "facebook" else Kind.ACCESS
        token = Token(platform, AUTHOR, 1, 0, kind).text
        posts = list(islice(world.posts_of(platform, AUTHOR, Series.EVEN), 20))
    else:
        posts = list(islice(world.posts(platform, Series.EVEN), 20))
    answer = adapter_for(platform).fetch(shared_http, [post.api_id for post in posts], token=token)
    assert (answer.data_calls, answer.unanswered) == (1, {})
    for post in posts:
        reading, held = answer.readings[post.api_id], post.figures_at(TODAY)
        compared = ("views", "comments") if post.is_video else METRICS  # a video's likes are not all its reactions
        assert reading.availability == "live"
        assert [getattr(reading.metrics, name) for name in compared] == [getattr(held, name) for name in compared]
        assert reading.posted_at == post.published_at
