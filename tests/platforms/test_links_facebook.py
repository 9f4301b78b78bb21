from urllib.parse import quote

import pytest

from platforms.links import LinkKind, NeedsNetwork, NotAPost, PostLink, Refusal, identify

ID = "1234567890123456"
OTHER = "6543210987654321"
PFBID = "pfbid02Xk3qvYzJ8nR4LmT7wEbC5hGdFsAuV9pQxN6yKjMiWoZtRrBcDeFgHjKmNpQsTl"
PAGE = "100044123456789"


def frame(kind: str, url: str) -> str:
    return f"https://www.facebook.com/plugins/{kind}.php?height=314&href={quote(url, safe='')}&show_text=false"


VIDEOS = [
    (f"https://www.facebook.com/some.page/videos/{ID}/", "some.page"),
    (f"https://www.facebook.com/some.page/videos/{ID}?ref=sharing&v={OTHER}", "some.page"),
    (f"https://www.facebook.com/some.page/videos/a-fine-film/{ID}/", "some.page"),
    (f"https://www.facebook.com/some.page/videos/фильм/{ID}/", "some.page"),
    (f"https://www.facebook.com/some.page/videos/vb.{PAGE}/{ID}/?type=2&theater", "some.page"),
    (f"https://www.facebook.com/{PAGE}/videos/{ID}/", PAGE),
    (f"https://zh-hk.facebook.com/some.page/videos/{ID}/", "some.page"),
    (f"https://www.facebook.com/watch/?v={ID}", None),
    (f"https://www.facebook.com/watch?v={ID}&ref=sharing", None),
    (f"https://fb.com/watch/?ref=saved&v={ID}", None),
    (f"https://m.facebook.com/watch/?v={ID}&v={ID}&_rdr", None),
    (f"https://www.facebook.com/watch/live/?ref=watch_permalink&v={ID}", None),
    (f"https://www.facebook.com/video.php?v={ID}", None),
    (f"https://www.facebook.com/reel/{ID}", None),
    (f"https://www.facebook.com/reel/{ID}/?s=single_unit&fbid={OTHER}", None),
    (f"https://touch.facebook.com/reel/{ID}", None),
    (frame("video", f"https://www.facebook.com/some.page/videos/{ID}/"), "some.page"),
    (frame("video", f"https://www.facebook.com/reel/{ID}/"), None),
    (frame("video", f"https://de-de.facebook.com/watch/?v={ID}"), None),
    (frame("post", f"/some.page/videos/{ID}/"), "some.page"),
]


@pytest.mark.parametrize(("url", "owner"), VIDEOS)
def test_a_video_or_reel_is_a_video_by_its_own_id(url, owner):
    link = identify(url)
    assert link == PostLink("facebook", ID, f"https://www.facebook.com/watch/?v={ID}", kind=LinkKind.VIDEO)
    assert link.owner == owner
    assert identify(link.canonical_url) == link


POSTS = [
    (f"https://www.facebook.com/some.page/posts/{ID}", "some.page", ID),
    (f"http://facebook.com/some.page/posts/{ID}/?comment_id={OTHER}&__tn__=R", "some.page", ID),
    (f"https://m.facebook.com/some.page/posts/{ID}?_rdr", "some.page", ID),
    (f"https://mbasic.facebook.com/some.page/posts/{ID}", "some.page", ID),
    (f"https://web.facebook.com/some.page/posts/{ID}?_rdc=1", "some.page", ID),
    (f"https://touch.facebook.com/some.page/posts/{ID}", "some.page", ID),
    (f"https://pt-br.facebook.com/some.page/posts/{ID}", "some.page", ID),
    (f"https://fb.com/some.page/posts/{ID}", "some.page", ID),
    (f"https://fr.facebook.com/some.page/posts/{ID}", "some.page", ID),
    (f"https://www.facebook.com/some%2Epage/posts/%31{ID[1:]}", "some.page", ID),
    (f"HTTPS://WWW.FACEBOOK.COM./some.page/posts/{ID}#x", "some.page", ID),
    (f"https://www.facebook.com/some.page/posts/a-long-title/{ID}", "some.page", ID),
    (f"https://www.facebook.com/some.page/posts/{OTHER}/{ID}", "some.page", ID),
    (f"https://www.facebook.com/some.page/posts/{PFBID}", "some.page", PFBID),
    (f"https://www.facebook.com/some.page/posts/a-title/{PFBID}?rdid=abc", "some.page", PFBID),
    (f"https://www.facebook.com/{PAGE}/posts/{PFBID}", PAGE, PFBID),
    (f"https://www.facebook.com/permalink.php?story_fbid={ID}&id={PAGE}", PAGE, ID),
    (f"https://www.facebook.com/permalink.php?id={PAGE}&story_fbid={PFBID}", PAGE, PFBID),
    (f"https://m.facebook.com/story.php?story_fbid={ID}&id={PAGE}&refid=17", PAGE, ID),
    (f"https://www.facebook.com/story.php/?story_fbid={PFBID}&id={PAGE}&mibextid=abc", PAGE, PFBID),
    (frame("post", f"https://www.facebook.com/some.page/posts/{ID}"), "some.page", ID),
    (frame("post", f"https://www.facebook.com/permalink.php?story_fbid={PFBID}&id={PAGE}"), PAGE, PFBID),
]


@pytest.mark.parametrize(("url", "owner", "external_id"), POSTS)
def test_a_post_keeps_its_owner(url, owner, external_id):
    link = identify(url)
    assert link == PostLink("facebook", external_id, f"https://www.facebook.com/{owner}/posts/{external_id}")
    assert link.owner == owner
    assert identify(link.canonical_url) == link
    assert identify(link.canonical_url).owner == owner


@pytest.mark.parametrize("page", ["posts", "permalink", "posts/a-title"])
@pytest.mark.parametrize("group", ["some.group", "164828000315060"])
def test_a_post_in_a_group_is_the_groups(page, group):
    link = identify(f"https://www.facebook.com/groups/{group}/{page}/{ID}/?comment_id={OTHER}")
    assert link == PostLink("facebook", ID, f"https://www.facebook.com/groups/{group}/posts/{ID}")
    assert (link.owner, identify(link.canonical_url).owner) == (group, group)


PHOTOS = [
    (f"https://www.facebook.com/photo?fbid={ID}&set=a.{OTHER}", None),
    (f"https://www.facebook.com/photo/?fbid={ID}&set=pcb.{OTHER}", None),
    (f"https://www.facebook.com/photo.php?fbid={ID}", None),
    (f"https://m.facebook.com/photo.php?fbid={ID}&id={PAGE}&set=gm.{OTHER}", PAGE),
    (f"https://www.facebook.com/photo.php?fbid={ID}&id=nobody", None),
    (f"https://www.facebook.com/some.page/photos/a.{OTHER}/{ID}/?type=3", "some.page"),
    (f"https://www.facebook.com/some.page/photos/a.1.2.3/{ID}", "some.page"),
    (f"https://www.facebook.com/some.page/photos/pcb.{OTHER}/{ID}", "some.page"),
    (f"https://www.facebook.com/some.page/photos/gm.{OTHER}/{ID}", "some.page"),
    (f"https://www.facebook.com/some.page/photos/{ID}", "some.page"),
]


@pytest.mark.parametrize(("url", "owner"), PHOTOS)
def test_a_photo_is_found_by_its_own_id(url, owner):
    link = identify(url)
    assert link == PostLink("facebook", ID, f"https://www.facebook.com/photo/?fbid={ID}")
    assert link.owner == owner
    assert identify(link.canonical_url) == link


def test_a_post_in_a_group_is_known_by_its_older_address():
    link = identify(f"https://m.facebook.com/groups/some.group?view=permalink&id={ID}&_rdr")
    assert link == PostLink("facebook", ID, f"https://www.facebook.com/groups/some.group/posts/{ID}")


def test_a_photo_may_have_an_opaque_id():
    assert identify(f"https://www.facebook.com/photo?fbid={PFBID}").external_id == PFBID


def test_an_owner_in_any_script_is_one_owner_however_it_is_written():
    written = identify(f"https://www.facebook.com/Café-{PAGE}/posts/{ID}")
    quoted = identify(f"https://www.facebook.com/Caf%C3%A9-{PAGE}/posts/{ID}")
    assert written == quoted
    assert written.owner == quoted.owner == f"Café-{PAGE}"
    assert written.canonical_url == f"https://www.facebook.com/Caf%C3%A9-{PAGE}/posts/{ID}"


SHORT_LINKS = [
    ("https://fb.watch/aBc_1-2/", "https://fb.watch/aBc_1-2"),
    ("http://fb.watch/v/aBc12/?mibextid=1", "https://fb.watch/v/aBc12"),
    ("https://fb.me/aBc12", "https://fb.me/aBc12"),
    ("https://www.facebook.com/share/aBc12/", "https://www.facebook.com/share/aBc12"),
    ("https://m.facebook.com/share/p/aBc12/?mibextid=1", "https://www.facebook.com/share/p/aBc12"),
    ("https://fr-fr.facebook.com/share/r/aBc12", "https://www.facebook.com/share/r/aBc12"),
    ("https://fb.com/share/v/aBc12", "https://www.facebook.com/share/v/aBc12"),
]


@pytest.mark.parametrize(("url", "asked"), SHORT_LINKS)
def test_a_short_link_waits_for_the_network(url, asked):
    assert identify(url) == NeedsNetwork("facebook", asked)
    assert identify(asked) == NeedsNetwork("facebook", asked)


POST = f"https://www.facebook.com/some.page/posts/{ID}"

REFUSED = [
    *(
        (f"https://www.facebook.com/{path}", Refusal.NOT_A_POST)
        for path in (
            *("", "some.page", "some.page/", f"profile.php?id={PAGE}", f"people/Some-Body/{PAGE}/", f"p/Some-{PAGE}/"),
            *("some.page/posts", "some.page/posts/", "some.page/videos/", "some.page/photos", "some.page/reels/"),
            *(f"some.page/posts//{ID}", f"some.page//posts/{ID}", f"/some.page/posts/{ID}", f"some.page/posts/{ID}//"),
            *(f"some.page/posts/a/b/{ID}", f"some.page%2Fposts%2F{ID}", f"some.page/Posts/{ID}", f"some.page/{ID}"),
            *(f"some.page/posts/../{ID}", f"some.page/%2E./posts/{ID}", f"{ID}", f"{PAGE}_{ID}"),
            *(f"events/{ID}/", f"events/{ID}/?post_id={OTHER}", f"events/posts/{ID}", f"Groups/posts/{ID}"),
            *(f"media/set/?set=a.{ID}", f"media/set?set=pcb.{ID}&type=3", f"stories/{PAGE}/UzpfSVNDOjE/"),
            *(f"ads/library/?id={ID}", f"marketplace/item/{ID}/", f"hashtag/django?v={ID}", f"search/posts/?q={ID}"),
            *(f"search/posts/{ID}", f"watch/videos/{ID}", f"stories/posts/{ID}", f"pages/videos/{ID}"),
            *(f"{each}/posts/{ID}" for each in ("notes", "profile.php", "business", "watch", "Search", "story.php")),
            *("groups/some.group", f"groups/{PAGE}/", f"groups/g/?multi_permalinks={ID}", f"groups/g/user/{PAGE}/"),
            *(
                f"groups/g?view=posts&id={ID}",
                "groups/g?view=permalink",
                "groups/g/posts/",
                "groups/posts",
                f"groups/g/media/{ID}",
            ),
            *("watch/", "watch", "watch/?v=", "watch/live/", f"watch/?v={ID}&v={OTHER}", f"watch/some.page/{ID}"),
            *(f"watch/{ID}", f"watch#v={ID}", f"?v={ID}", f"some.page?v={ID}", f"watch/?V={ID}", "video.php", "reel/"),
            *("reel", f"reels/{ID}", f"reel/{ID}/x", f"photo/?set=a.{ID}", "photo.php?fbid=", f"photo/{ID}"),
            *(f"photo/view/?fbid={ID}", f"photo?v={ID}"),
            *(f"permalink.php?story_fbid={ID}", f"permalink.php?id={PAGE}", "permalink.php", f"story.php?id={PAGE}"),
            *(f"story.php?story_fbid={ID}&amp;id={PAGE}", f"permalink.php?story_fbid={ID}&story_fbid=1&id={PAGE}"),
            *(f"permalink.php?story_fbid={ID}&id={PAGE}&id=1", f"permalink.php/x?story_fbid={ID}&id={PAGE}"),
            *("share", "share/", "share/p/", "share/v", "share/g/aBc12", "share/p/a/b", f"share.php?u={quote(POST)}"),
            *(f"sharer/sharer.php?u={quote(POST)}", f"login/?next={quote(POST)}", f"l.php?u={quote(POST)}"),
            *("plugins/video.php", "plugins/video.php?href=", f"plugins/like.php?href={quote(POST)}"),
            *(f"plugins/post.php?u={quote(POST)}", f"plugins/page.php?href={quote(POST)}", "plugins/post.php?href=x"),
            *("plugins/post.php?href=https://evil.com/a/posts/1", f"plugins/post.php?href=//evil.com/posts/{ID}"),
            *(f"plugins/post.php?href={quote('https://youtu.be/dQw4w9WgXcQ')}", "plugins/post.php?href=javascript:1"),
            *(f"plugins/post.php?href={quote(frame('post', POST))}", f"plugins/videos/{ID}"),
            *(f"plugins/post.php?href=/a/../b/posts/{ID}", f"#!/some.page/posts/{ID}"),
        )
    ),
    *(
        (f"https://www.facebook.com/some.page/posts/{post_id}", Refusal.MALFORMED_ID)
        for post_id in (
            *("abc", "0123", "0", f"{ID}x", f"{ID}:0", f"{PAGE}_{ID}", f"{ID}%0a", f"%2B{ID}", "١٢٣٤٥٦", "１２３"),
            *("1" * 20, "pfbid", "pfbid0", f"{PFBID}-", f"pfbid{'a' * 97}", "PFBID02abcdefgh", f"{ID}&x=1", "-1"),
        )
    ),
    *(
        (f"https://www.facebook.com/{path}", Refusal.MALFORMED_ID)
        for path in (
            *(
                f"watch/?v={PFBID}",
                "watch/?v=0123",
                f"watch/?v={ID}%00",
                f"watch/?v={ID}?x=1",
                "reel/abc",
                "reel/audio",
            ),
            *(f"reel/{'1' * 20}", "some.page/videos/a.1", "some.page/photos/a.1", "photo?fbid=1.2", "photo?fbid=٣"),
            *(f"permalink.php?story_fbid={ID}&id=some.page", f"story.php?story_fbid=UzpfSTE&id={PAGE}"),
            *(f"story.php?story_fbid={ID}&id=0{PAGE}", f"some%2Fpage/posts/{ID}", f"some%20page/posts/{ID}"),
            *(f"%ff/posts/{ID}", f"{'ü' * 100}/posts/{ID}", f"%00/posts/{ID}", f"@page/posts/{ID}"),
            *("share/p/a.b", f"share/{'a' * 65}", "groups/g/posts/abc", f"groups/%2F/posts/{ID}"),
        )
    ),
    *(
        (f"https://{host}/{path}", Refusal.NOT_A_POST)
        for host, path in (
            *(("l.facebook.com", f"l.php?u={quote(POST)}&h=AT0"), ("lm.facebook.com", f"l.php?u={quote(POST)}")),
            *(("fb.watch", ""), ("fb.watch", "v/"), ("fb.watch", "a/b"), ("fb.me", ""), ("fb.me", "e/aBc12")),
            ("fb.me", "v/aBc12"),
        )
    ),
    ("https://fb.watch/a.b", Refusal.MALFORMED_ID),
    *(
        (f"https://{host}/some.page/posts/{ID}", Refusal.HOST_NOT_SUPPORTED)
        for host in (
            *("facebook.com.evil.com", "notfacebook.com", "evil-facebook.com", "facebook.co", "fb.co", "facebook"),
            *("developers.facebook.com", "graph.facebook.com", "de-de.evil.com", "de-de.www.facebook.com"),
            *("d-de.facebook.com", "de-deu.facebook.com", "d1-de.facebook.com", "-.facebook.com", "de-de.fb.com"),
            *("facebооk.com", "xn--facebok-y0a.com", "fаcebook.com", "facebook.com..", "www.fb.watch", "m.fb.me"),
            *("messenger.com", "127.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "facebook。com", "faceboоk.com"),
        )
    ),
    (f"https://facebook.com:pass@evil.com/some.page/posts/{ID}", Refusal.USERINFO_NOT_ALLOWED),
    (f"https://www.facebook.com:8443/some.page/posts/{ID}", Refusal.PORT_NOT_ALLOWED),
    (f"fb://post/{ID}", Refusal.SCHEME_NOT_ALLOWED),
    (f"facebook.com/some.page/posts/{ID}", Refusal.NOT_A_URL),
]


@pytest.mark.parametrize(("url", "code"), REFUSED)
def test_what_names_no_post_is_refused(url, code):
    answer = identify(url)
    assert isinstance(answer, NotAPost), answer
    assert answer.code == code
