"""The sandbox's world: what it holds, and how its figures move."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.sandbox.identifiers import SERIES_SIZE, SHAPES
from platforms.sandbox.traits import PLATFORMS, Figures
from platforms.sandbox.world import GROWTH, HOUR_WEIGHTS, SPAN, Presence, Series, World, WorldPost

EPOCH = datetime(2026, 10, 23, tzinfo=UTC)
END = EPOCH + SPAN
WORLD = World(7, EPOCH)

REAL_SHAPES = {
    "youtube": r"[A-Za-z0-9_-]{11}",
    "reddit": r"[0-9a-z]{6,7}",
    "x": r"[0-9]{18,19}",
    "tiktok": r"7[0-9]{18}",
    "instagram": r"D[A-Za-z0-9_-]{10}",
    "facebook": r"[0-9]{15,16}|pfbid0[0-9A-Za-z]{40,64}",
}
PASTED = {
    "youtube": r"https://www\.youtube\.com/watch\?v=ID",
    "reddit": r"https://www\.reddit\.com/r/\w+/comments/ID/[a-z0-9_]+/",
    "x": r"https://x\.com/\w{1,15}/status/ID",
    "tiktok": r"https://www\.tiktok\.com/@\w{2,24}/video/ID",
    "instagram": r"https://www\.instagram\.com/(p|reel)/ID/",
    "facebook": r"https://www\.facebook\.com/([a-z.]+/posts/|watch/\?v=|reel/)ID",
}

platforms = st.sampled_from(PLATFORMS)
series_of = st.sampled_from(Series)
indexes = st.integers(0, SERIES_SIZE - 1)


def posts(platform: str, series: Series, count: int) -> list[WorldPost]:
    return list(islice(WORLD.posts(platform, series), count))


def first(platform: str, wanted: str) -> WorldPost:
    """The first CURRENT post of which a property is set."""
    return next(post for post in WORLD.posts(platform, Series.CURRENT) if getattr(post, wanted))


@given(seed=st.integers(0, 2**64), platform=platforms, series=series_of, index=indexes)
def test_any_post_is_found_again_by_its_id(seed: int, platform: str, series: Series, index: int) -> None:
    world = World(seed, EPOCH)
    post = world.post(platform, series, index)
    assert re.fullmatch(REAL_SHAPES[platform], post.external_id)
    assert World(seed, EPOCH).find(platform, post.external_id) == post


@given(platform=platforms, text=st.text() | st.from_regex(r"[A-Za-z0-9_-]{7,19}", fullmatch=True))
def test_any_other_text_is_no_post_or_the_id_of_the_one_found(platform: str, text: str) -> None:
    found = WORLD.find(platform, text)
    assert found is None or found.external_id == text


@pytest.mark.parametrize(
    ("platform", "external_id"),
    [
        ("youtube", "dQw4w9WgXcQ"),
        ("youtube", "videoseries"),
        ("reddit", "0000000"),
        ("reddit", "zzzzzzz"),
        ("reddit", "1ABCDEF"),
        ("reddit", "t3_1abcde"),
        ("x", "20"),
        ("x", "1234567890123456789"),
        ("x", "٢٠١٠٢٩٣٣٥٦٨٠٣٨٤١٦٤٤"),
    ],
)
def test_ids_from_elsewhere_are_unknown(platform: str, external_id: str) -> None:
    assert WORLD.find(platform, external_id) is None


@given(number=st.integers(0, 2**64 - 1))
def test_of_the_texts_that_stand_for_the_same_bytes_only_one_is_an_id(number: int) -> None:
    post = WORLD.post("youtube", Series.CURRENT, number % SERIES_SIZE)
    twin = post.external_id[:-1] + chr(ord(post.external_id[-1]) + 1)
    assert WORLD.find("youtube", twin) is None


def test_ids_do_not_show_their_order() -> None:
    numbers = [int(post.external_id) for post in posts("x", Series.CURRENT, 50)]
    assert len({after - before for before, after in pairwise(numbers)}) == 49


def test_ids_differ_between_seeds_platforms_and_series() -> None:
    ids = [World(seed, EPOCH).post(p, s, 0).external_id for seed in (7, 8) for p in PLATFORMS for s in Series]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("index", [-1, SERIES_SIZE])
def test_an_index_beyond_the_series_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="index must be 0"):
        WORLD.post("x", Series.CURRENT, index)


def test_an_epoch_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        World(7, EPOCH.replace(tzinfo=None))


def test_an_epoch_in_another_zone_is_the_same_moment() -> None:
    moved = World(7, EPOCH.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert moved.post("x", Series.CURRENT, 3) == WORLD.post("x", Series.CURRENT, 3)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_post_looks_like_one_of_its_platform(platform: str) -> None:
    for post in posts(platform, Series.CURRENT, 200):
        assert re.fullmatch(PASTED[platform].replace("ID", re.escape(post.external_id)), post.url)
        assert post.title[0] == post.title[0].upper()
        assert 10 < len(post.title) < 90
        assert 3 <= len(post.author_handle) <= 20
        assert post.author_id
    assert len({post.title for post in posts(platform, Series.CURRENT, 200)}) > 120


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_author_keeps_id_and_topic_across_posts(platform: str) -> None:
    known: dict[str, tuple[str, str]] = {}
    for post in posts(platform, Series.CURRENT, 800):
        assert known.setdefault(post.author_handle, (post.author_id, post.subreddit)) == (
            post.author_id,
            post.subreddit,
        )
    assert len(known) == len({author_id for author_id, _ in known.values()})


@pytest.mark.parametrize("epoch", [EPOCH, datetime(2026, 10, 23, 17, 44, 12, 999, tzinfo=UTC)])
def test_current_posts_are_published_within_thirty_days_of_the_epoch(epoch: datetime) -> None:
    moments = [post.published_at for post in islice(World(7, epoch).posts("x", Series.CURRENT), 2_000)]
    assert min(moments) >= epoch.replace(second=0, microsecond=0)
    assert max(moments) < epoch + SPAN
    assert {moment.second for moment in moments} == {0}
    assert len({moment.date() for moment in moments}) >= 30


def test_more_is_published_by_day_than_by_night() -> None:
    hours = Counter(post.published_at.hour for post in posts("youtube", Series.CURRENT, 4_000))
    day, night = sum(hours[hour] for hour in range(9, 20)), sum(hours[hour] for hour in (22, 23, *range(6)))
    assert len(hours) == len(HOUR_WEIGHTS) == 24
    assert day > 5 * night


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("series", [Series.ARCHIVE, Series.EVEN])
def test_the_archive_is_old_final_and_untroubled(platform: str, series: Series) -> None:
    for post in posts(platform, series, 500):
        assert END - timedelta(days=90) <= post.published_at <= END - timedelta(days=45)
        assert post.gone_at is None
        assert not post.private
        assert not post.revised
        assert {post.figures_at(END - timedelta(days=d)) for d in (30, 0, -400)} == {post.final}
        assert post.presence_at(END) is Presence.LIVE


@given(platform=st.sampled_from(["youtube", "x"]), index=indexes)
def test_even_posts_have_views_of_which_5_and_20_percent_are_whole(platform: str, index: int) -> None:
    views = WORLD.post(platform, Series.EVEN, index).final.views
    assert views is not None
    assert views >= 10_000
    assert views % 20 == 0


@given(platform=platforms, index=indexes, minutes=st.lists(st.integers(0, 60 * 24 * 25), min_size=2, max_size=8))
def test_figures_never_fall_save_for_a_revision(platform: str, index: int, minutes: list[int]) -> None:
    post = WORLD.post(platform, Series.CURRENT, index)
    looks = [post.figures_at(post.published_at + timedelta(minutes=each)) for each in sorted(minutes)]
    for before, after in pairwise(looks):
        assert (before.likes or 0) <= (after.likes or 0)
        assert (before.comments or 0) <= (after.comments or 0)
        assert (before.shares or 0) <= (after.shares or 0)
        assert post.revised or (before.views or 0) <= (after.views or 0)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_figures_stand_at_their_final_value_from_day_twenty(platform: str) -> None:
    for post in posts(platform, Series.CURRENT, 300):
        if post.gone_at is None and not post.revised:
            assert post.figures_at(post.published_at + GROWTH) == post.final
            assert post.figures_at(post.published_at + GROWTH * 10) == post.final


def test_growth_is_fast_at_first_and_saturates() -> None:
    for post in posts("youtube", Series.CURRENT, 100):
        after_4_days = post.figures_at(post.published_at + timedelta(days=4)).views
        if not post.revised and post.gone_at is None:
            assert post.final.views is not None
            assert after_4_days is not None
            assert 0.4 < after_4_days / post.final.views < 0.95


def test_there_are_no_figures_before_publication() -> None:
    post = WORLD.post("x", Series.CURRENT, 0)
    just_before = post.published_at - timedelta(microseconds=1)
    assert post.figures_at(just_before) == Figures()
    assert post.presence_at(just_before) is Presence.UNPUBLISHED
    assert post.figures_at(post.published_at) == Figures(0, 0, 0, 0)


def test_reddit_shows_no_views_and_youtube_no_shares() -> None:
    assert {post.final.views for series in Series for post in posts("reddit", series, 200)} == {None}
    assert {post.final.shares for series in Series for post in posts("youtube", series, 200)} == {None}


@pytest.mark.parametrize("platform", ["youtube", "x"])
def test_final_views_run_from_hundreds_to_millions(platform: str) -> None:
    views = sorted(post.final.views or 0 for post in posts(platform, Series.CURRENT, 3_000))
    assert 200 <= views[0] < 1_000
    assert 3_000 < views[1_500] < 20_000
    assert views[-1] > 500_000


def test_about_two_percent_go_and_one_percent_is_private() -> None:
    sample = posts("x", Series.CURRENT, 10_000)
    gone = [post for post in sample if post.gone_at]
    assert 150 < len(gone) < 250
    assert 0.3 < sum(post.deleted_by_author for post in gone) / len(gone) < 0.7
    assert 60 < sum(post.private for post in sample) < 140
    assert not any(post.private and post.gone_at for post in sample)


def test_what_has_gone_no_longer_grows() -> None:
    post = first("reddit", "gone_at")
    assert post.gone_at is not None
    assert post.presence_at(post.gone_at - timedelta(seconds=1)) is Presence.LIVE
    assert post.presence_at(post.gone_at) in {Presence.REMOVED, Presence.DELETED}
    assert post.figures_at(post.gone_at) == post.figures_at(END + SPAN)


def test_a_revision_takes_5_to_40_percent_of_the_views_and_nothing_else() -> None:
    for post in [each for each in posts("youtube", Series.CURRENT, 2_000) if each.revised_at]:
        assert post.revised_at is not None
        before, after = post.figures_at(post.revised_at - timedelta(seconds=1)), post.figures_at(post.revised_at)
        assert before.views is not None
        assert after.views is not None
        assert 0.59 < after.views / before.views < 0.96
        assert (after.likes or 0) >= (before.likes or 0)


def test_posts_can_be_picked_by_their_time_of_publication() -> None:
    start, end = EPOCH + timedelta(days=3, hours=9), EPOCH + timedelta(days=3, hours=15)
    picked = WORLD.published_between("x", start, end, 20)
    assert len(picked) == 20
    assert all(start <= post.published_at < end for post in picked)
    assert picked == WORLD.published_between("x", start, end, 40)[:20]


@pytest.mark.parametrize("start", [EPOCH - timedelta(days=2), END])
def test_outside_the_thirty_days_there_is_nothing_to_pick(start: datetime) -> None:
    assert WORLD.published_between("x", start, start + timedelta(days=1), 5) == []


def test_every_platform_has_a_shape() -> None:
    assert set(SHAPES) == set(PLATFORMS)


# --- Ids in APIs, authors, versions

API_SHAPES = {"instagram": r"1[78][0-9]{15}", "facebook": r"[0-9]{15}_[0-9]{15,16}|[0-9]{15,16}"}


@given(platform=platforms, series=series_of, index=indexes)
def test_any_post_is_found_by_its_id_in_the_api(platform: str, series: Series, index: int) -> None:
    post = WORLD.post(platform, series, index)
    assert WORLD.find_by_api_id(platform, post.api_id) == post
    if platform in API_SHAPES:
        assert re.fullmatch(API_SHAPES[platform], post.api_id)
    else:
        assert post.api_id == post.external_id


@given(platform=platforms, text=st.text() | st.from_regex(r"[0-9]{15}_[0-9]{15,16}|1[78][0-9]{15}", fullmatch=True))
def test_an_api_id_from_elsewhere_is_no_post(platform: str, text: str) -> None:
    found = WORLD.find_by_api_id(platform, text)
    assert found is None or found.api_id == text


def test_the_api_id_of_instagram_is_not_the_number_behind_the_shortcode() -> None:
    for post in posts("instagram", Series.CURRENT, 50):
        assert post.api_id != str(SHAPES["instagram"].to_number(post.external_id))


def test_facebook_has_posts_opaque_posts_and_videos() -> None:
    kinds = Counter(
        "video" if post.is_video else "opaque" if post.external_id.startswith("pfbid") else "plain"
        for post in posts("facebook", Series.CURRENT, 1_000)
    )
    assert kinds["video"] == 250
    assert 140 < kinds["opaque"] < 160
    for post in posts("facebook", Series.CURRENT, 100):
        assert post.is_video == ("/watch/?v=" in post.url or "/reel/" in post.url)
        assert post.api_id == (post.external_id if post.is_video else f"{post.author_id}_{post.api_id.split('_')[-1]}")


def test_the_number_of_an_opaque_post_is_no_id_in_a_url() -> None:
    post = next(each for each in posts("facebook", Series.CURRENT, 20) if each.external_id.startswith("pfbid"))
    assert WORLD.find("facebook", post.api_id.partition("_")[2]) is None
    assert WORLD.find("facebook", post.external_id[:-1]) is None


@pytest.mark.parametrize("platform", ["tiktok", "instagram", "facebook"])
def test_an_authors_posts_can_be_listed(platform: str) -> None:
    listed = list(WORLD.posts_of(platform, 7))
    assert len(listed) == 1_500
    assert {post.author for post in listed} == {7}
    assert [post.series for post in listed[:4]] == [Series.CURRENT, Series.ARCHIVE, Series.EVEN, Series.CURRENT]
    assert listed[0] == WORLD.post(platform, Series.CURRENT, 7)
    assert list(islice(WORLD.posts_of(platform, 7, Series.EVEN), 2)) == [listed[2], listed[5]]


def test_nobody_on_facebook_publishes_one_kind_of_post_alone() -> None:
    for author in range(8):
        kinds = {post.is_video for post in islice(WORLD.posts_of("facebook", author), 30)}
        assert kinds == {True, False}


@pytest.mark.parametrize("platform", ["youtube", "reddit", "x"])
def test_elsewhere_an_authors_posts_cannot_be_listed(platform: str) -> None:
    with pytest.raises(ValueError, match="cannot list"):
        next(WORLD.posts_of(platform, 7))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_authors_are_found_by_handle_and_by_id(platform: str) -> None:
    post = WORLD.post(platform, Series.CURRENT, 11)
    for typed in (post.author_handle, f" @{post.author_handle.upper()} "):
        assert WORLD.author_of_handle(platform, typed) == post.author
    assert WORLD.author_of_id(platform, post.author_id) == post.author
    assert WORLD.author_of_handle(platform, "nobody") is None
    assert WORLD.author_of_id(platform, "nobody") is None


@pytest.mark.parametrize("platform", PLATFORMS)
def test_short_links_lead_back_to_their_posts(platform: str) -> None:
    for post in posts(platform, Series.CURRENT, 20):
        if post.short_url is None:
            assert platform == "youtube"
        else:
            code = post.short_url.rstrip("/").rpartition("/")[2]
            assert WORLD.find_by_short_code(platform, code) == post
    assert WORLD.find_by_short_code(platform, "abc") is None


def test_a_few_posts_on_x_were_edited_and_both_ids_find_them() -> None:
    edited = [post for post in posts("x", Series.CURRENT, 1_000) if len(post.versions) == 2]
    assert 20 < len(edited) < 35
    first_id, last_id = edited[0].versions
    assert edited[0].external_id == last_id
    first = WORLD.find("x", first_id)
    assert first is not None
    assert (first.external_id, first.index, first.versions) == (first_id, edited[0].index, edited[0].versions)
    # Each version has the figures of the time when it was the one to see.
    later = edited[0].published_at + timedelta(days=2)
    assert (first.figures_at(later).views or 0) < (edited[0].figures_at(later).views or 0)
    assert first.figures_at(later) == first.figures_at(later + timedelta(days=9))


@pytest.mark.parametrize(
    ("platform", "external_id", "handle", "final"),
    [
        ("youtube", "SWKRuKM6KZs", "TheRapidMeadow", Figures(6_947, 230, 46, None)),
        ("reddit", "1l7vvcv", "Salty-Studio-422", Figures(None, 601, 84, 3)),
        ("x", "2010293356803841644", "UrbanOrbit", Figures(33_443, 1_440, 197, 71)),
        ("tiktok", "7413663270808973927", "lazyfork", Figures(10_397, 521, 60, 58)),
        ("instagram", "DDC0uS4ElC2", "lazy_fork", Figures(17_251, 791, 109, 112)),
        ("facebook", "727676114118612", "lazy.fork", Figures(877, 18, 1, 2)),
    ],
)
def test_a_seed_is_the_same_world_for_ever(platform: str, external_id: str, handle: str, final: Figures) -> None:
    post = WORLD.post(platform, Series.CURRENT, 0)
    assert (post.external_id, post.author_handle, post.final) == (external_id, handle, final)
