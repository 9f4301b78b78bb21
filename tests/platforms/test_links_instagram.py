import pytest

from platforms.links import NeedsNetwork, NotAPost, PostLink, Refusal, identify

CODE = "CxYz-_0aB1-"
PRIVATE = f"{CODE}0123456789abcdefghijklmnopqrs"

POSTS = [
    f"https://www.instagram.com/p/{CODE}/",
    f"https://instagram.com/p/{CODE}",
    f"http://m.instagram.com/p/{CODE}/",
    f"https://instagr.am/p/{CODE}/",
    f"HTTPS://WWW.Instagram.COM/p/{CODE}/",
    f"https://www.instagram.com./p/{CODE}/",
    f"https://www.instagram.com:443/p/{CODE}/",
    f"https://www.instagram.com/p/{CODE}/?igsh=MzRlODBiNWFlZA%3D%3D",
    f"https://www.instagram.com/p/{CODE}/?img_index=2",
    f"https://www.instagram.com/p/{CODE}/?utm_source=ig_web_copy_link#comments",
    f"https://www.instagram.com/p/{CODE}/?next=/p/another0000/",
    f"https://www.instagram.com/reel/{CODE}/",
    f"https://www.instagram.com/reel/{CODE}/?utm_source=ig_embed&amp;utm_campaign=loading",
    f"https://www.instagram.com/reels/{CODE}/",
    f"https://www.instagram.com/tv/{CODE}/?igshid=1",
    f"https://www.instagram.com/p/{CODE}/embed/",
    f"https://www.instagram.com/p/{CODE}/embed/captioned/?cr=1&v=14",
    f"https://www.instagram.com/reel/{CODE}/embed",
]
POSTS_WITH_OWNER = [
    f"https://www.instagram.com/some.body_1/p/{CODE}/",
    f"https://www.instagram.com/some.body_1/p/{CODE}/?img_index=1",
    f"https://www.instagram.com/some.body_1/reel/{CODE}/",
    f"https://www.instagram.com/some.body_1/reel/{CODE}/embed/",
    f"https://www.instagram.com/some.body_1/tv/{CODE}",
]


@pytest.mark.parametrize("url", [*POSTS, *POSTS_WITH_OWNER])
def test_every_form_names_the_post(url):
    assert identify(url) == PostLink("instagram", CODE, f"https://www.instagram.com/p/{CODE}/")
    assert identify(identify(url).canonical_url) == identify(url)


@pytest.mark.parametrize("url", POSTS_WITH_OWNER)
def test_the_owner_is_told_where_the_link_says_it(url):
    assert identify(url).owner == "some.body_1"


@pytest.mark.parametrize("url", POSTS)
def test_there_is_no_owner_where_the_link_is_silent(url):
    assert identify(url).owner is None


@pytest.mark.parametrize("code", ["C", "BWl", "-", PRIVATE, CODE.lower()])
def test_a_code_is_taken_as_it_stands(code):
    assert identify(f"https://www.instagram.com/p/{code}/").external_id == code


SHORT_LINKS = [
    ("https://www.instagram.com/share/BAabc-_1", "https://www.instagram.com/share/BAabc-_1"),
    ("https://www.instagram.com/share/p/BAabc-_1/?igsh=1", "https://www.instagram.com/share/p/BAabc-_1"),
    ("http://instagram.com/share/reel/_BAabc1", "https://www.instagram.com/share/reel/_BAabc1"),
]


@pytest.mark.parametrize(("url", "asked"), SHORT_LINKS)
def test_a_share_link_waits_for_the_network(url, asked):
    assert identify(url) == NeedsNetwork("instagram", asked)
    assert identify(asked) == NeedsNetwork("instagram", asked)


REFUSED = [
    *(
        (f"https://www.instagram.com/{path}", Refusal.NOT_A_POST)
        for path in (
            *("", "somebody", "somebody/", "somebody/reels/", "somebody/tagged/", "somebody/reel/", "somebody/p"),
            *("p", "p/", "reel/", "reels/", "reels", "tv", "p//", f"p//{CODE}", f"/p/{CODE}", f"p/{CODE}//"),
            *("reels/audio/1234567890", "reels/audio/", "reel/audio/1234567890", "reels/audio"),
            *("stories/somebody/3211234567890123456/", "stories/highlights/17900000000000000/"),
            *(f"stories/p/{CODE}", "stories/reel/3211234567890123456", f"explore/p/{CODE}", f"Stories/p/{CODE}"),
            *("s/aGlnaGxpZ2h0OjE3?story_media_id=3211234567890123456", "explore/tags/django/", "explore/locations/1/"),
            *("explore/", "direct/t/123", f"accounts/login/?next=/p/{CODE}/", f"?p={CODE}", f"#/p/{CODE}"),
            *(f"p%2F{CODE}", f"P/{CODE}", f"a/b/p/{CODE}", f"some-body/p/{CODE}", f"{'a' * 31}/p/{CODE}"),
            *(f"p/{CODE}/media", f"p/{CODE}/liked_by/", f"p/{CODE}/embed/x", f"p/{CODE}/{CODE}"),
            *("share/", "share/p/", "share/reel/", "share", "share/story/abc", "share/p/a/b", f"приве/p/{CODE}"),
            *(f"p/../reel/{CODE}", f"oembed/?url=https://www.instagram.com/p/{CODE}/", f"x/..%2Fp/{CODE}"),
        )
    ),
    *(
        (f"https://www.instagram.com/{path}", Refusal.MALFORMED_ID)
        for path in (
            *(f"p/{CODE}.", f"p/{CODE}%0a", f"p/{CODE}%2Fembed", f"p/{CODE}&x=1", "p/%2Babc", "p/CxYz٣", "p/Cxé"),
            *(f"p/{'a' * 65}", "reel/a+b", f"somebody/p/{CODE};x", "share/p/a.b", "share/a%20b"),
        )
    ),
    (f"https://www.instagram.com/p/{CODE}/c/17900000000000000/", Refusal.COMMENT),
    (f"https://www.instagram.com/somebody/reel/{CODE}/c/1/r/2", Refusal.COMMENT),
    *(
        (f"https://{host}/p/{CODE}/", Refusal.HOST_NOT_SUPPORTED)
        for host in (
            *("instagram.com.evil.com", "notinstagram.com", "ddinstagram.com", "l.instagram.com", "i.instagram.com"),
            *("help.instagram.com", "www.instagr.am", "instagram.co", "instаgram.com", "xn--instgram-3fg.com"),
            *("threads.net", "www.threads.com", "instagram.com..", "instagram", "ınstagram.com"),
        )
    ),
    (f"https://instagram.com@evil.com/p/{CODE}/", Refusal.USERINFO_NOT_ALLOWED),
    (f"https://www.instagram.com:8080/p/{CODE}/", Refusal.PORT_NOT_ALLOWED),
    (f"instagram://media?id={CODE}", Refusal.SCHEME_NOT_ALLOWED),
    (f"www.instagram.com/p/{CODE}/", Refusal.NOT_A_URL),
]


@pytest.mark.parametrize(("url", "code"), REFUSED)
def test_what_names_no_post_is_refused(url, code):
    answer = identify(url)
    assert isinstance(answer, NotAPost), answer
    assert answer.code == code
