import pytest

from platforms.links import NeedsNetwork, NotAPost, PostLink, Refusal, identify

ID = "7212345678901234567"
OTHER = "7398765432109876543"  # as long as an id, and standing where none belongs
KEY = "MS4wLjABAAAAatqdDplZbj4q-_2d8mIIkPwaCLKKOkAvcUnVNLUBaSjm9yaapGiCyaBcKYN7bzWo"

POSTS_WITH_OWNER = [
    f"https://www.tiktok.com/@user.name/video/{ID}",
    f"https://tiktok.com/@user.name/video/{ID}/",
    f"http://m.tiktok.com/@user.name/video/{ID}",
    f"https://www.tiktok.com/@user.name/video/{ID}?is_from_webapp=1&sender_device=pc&web_id={OTHER}",
    f"https://www.tiktok.com/@user.name/video/{ID}?sender_web_id={OTHER}#x",
    f"https://www.tiktok.com/@user.name/video/{ID}?item_id={OTHER}&lang=en",
    f"https://www.tiktok.com/@user.name/photo/{ID}",
    f"https://www.tiktok.com/@user.name/photo/{ID}?_r=1&_t=8abc",
    f"https://www.tiktok.com/%40user.name/video/{ID}",
    f"HTTPS://WWW.TIKTOK.COM/@user.name/video/{ID}",
    f"https://www.tiktok.com.:443/@user.name/video/{ID}",
]
POSTS = [
    f"https://www.tiktok.com/@/video/{ID}",
    f"https://www.tiktok.com/@/photo/{ID}",
    f"https://www.tiktok.com/share/video/{ID}",
    f"https://www.tiktokv.com/share/video/{ID}/",
    f"https://tiktokv.com/share/video/{ID}",
    f"https://m.tiktok.com/v/{ID}.html",
    f"https://m.tiktok.com/v/{ID}.html?u_code=abc&web_id={OTHER}",
    f"https://m.tiktok.com/v/{ID}",
    f"https://www.tiktok.com/embed/{ID}",
    f"https://www.tiktok.com/embed/v2/{ID}?lang=de",
    f"https://www.tiktok.com/player/v1/{ID}?autoplay=1",
]


@pytest.mark.parametrize("url", [*POSTS, *POSTS_WITH_OWNER])
def test_every_form_names_the_post(url):
    assert identify(url) == PostLink("tiktok", ID, f"https://www.tiktok.com/@/video/{ID}")
    assert identify(identify(url).canonical_url) == identify(url)


@pytest.mark.parametrize("url", POSTS_WITH_OWNER)
def test_the_owner_is_told_where_the_link_says_it(url):
    assert identify(url).owner == "user.name"


@pytest.mark.parametrize("url", POSTS)
def test_there_is_no_owner_where_the_link_is_silent(url):
    assert identify(url).owner is None


def test_a_users_public_key_may_stand_for_the_name():
    assert identify(f"https://www.tiktok.com/@{KEY}/video/{ID}").owner == KEY


@pytest.mark.parametrize("post_id", ["188110124155150336", "123456789012345", "9223372036854775807"])
def test_ids_have_fifteen_to_nineteen_digits(post_id):
    assert identify(f"https://www.tiktok.com/@somebody/video/{post_id}").external_id == post_id


SHORT_LINKS = [
    ("https://vm.tiktok.com/ZMabc123/", "https://vm.tiktok.com/ZMabc123"),
    ("http://vm.tiktok.com/ZMabc123?k=1", "https://vm.tiktok.com/ZMabc123"),
    ("https://vt.tiktok.com/ZSabc123/", "https://vt.tiktok.com/ZSabc123"),
    ("https://www.tiktok.com/t/ZTabc123/", "https://www.tiktok.com/t/ZTabc123"),
    ("https://tiktok.com/t/ZTabc123", "https://www.tiktok.com/t/ZTabc123"),
]


@pytest.mark.parametrize(("url", "asked"), SHORT_LINKS)
def test_a_short_link_waits_for_the_network(url, asked):
    assert identify(url) == NeedsNetwork("tiktok", asked)
    assert identify(asked) == NeedsNetwork("tiktok", asked)


REFUSED = [
    *(
        (f"https://www.tiktok.com/{path}", Refusal.NOT_A_POST)
        for path in (
            *(
                "",
                "@somebody",
                "@somebody/",
                "@somebody/live",
                "@somebody/video",
                "@somebody/video/",
                "@somebody/photo",
            ),
            *(f"@somebody?web_id={OTHER}", f"@somebody/live?item_id={OTHER}", f"foryou?item_id={OTHER}"),
            *("tag/django", f"music/a-song-{OTHER}", "discover/django", f"@somebody/collection/one-{OTHER}"),
            *(f"@somebody/playlist/one-{OTHER}", f"@somebody/playlist/{OTHER}", f"video/{ID}", f"{ID}", f"@/{ID}"),
            *(f"somebody/video/{ID}", f"@some body/video/{ID}".replace(" ", "+"), f"@приве/video/{ID}"),
            *(f"@@a/video/{ID}", f"@a/b/video/{ID}", f"@a//video/{ID}", f"/@a/video/{ID}", f"@a/Video/{ID}"),
            *(f"@a/video/{ID}/x", f"@a%2Fvideo%2F{ID}", f"@a/../@b/video/{ID}", f"@{'a' * 101}/video/{ID}"),
            *(f"embed/v3/{ID}", "embed/v2", "embed/v2/", "embed/@somebody", "embed", "player/v1/", "share/video/"),
            *("v/", "v/.html", "t/", "t", "t/a/b", f"login?redirect_url=https://www.tiktok.com/@a/video/{ID}"),
            *("search?q=django", f"#/@a/video/{ID}", f"?shareId={ID}", f"live/{ID}", f"place/x-{OTHER}"),
        )
    ),
    *(
        (f"https://www.tiktok.com/@somebody/video/{post_id}", Refusal.MALFORMED_ID)
        for post_id in (
            *("abc", "123", "12345678901234", f"{ID}0", f"0{ID[1:]}", f"0{ID}", f"{ID}x", f"{ID}%0a", f"%2B{ID[1:]}"),
            *("٧٢١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧", "７２１２３４５６７８９０１２３４５６７", f"-{ID[1:]}", f"{ID}.html", f"{ID}&x=1"),
        )
    ),
    (f"https://m.tiktok.com/v/{ID}.htm", Refusal.MALFORMED_ID),
    (f"https://m.tiktok.com/v/{ID}.html.html", Refusal.MALFORMED_ID),
    ("https://www.tiktok.com/embed/v3", Refusal.MALFORMED_ID),
    ("https://vm.tiktok.com/", Refusal.NOT_A_POST),
    ("https://vm.tiktok.com", Refusal.NOT_A_POST),
    ("https://vm.tiktok.com/a/b", Refusal.NOT_A_POST),
    (f"https://vm.tiktok.com/@a/video/{ID}", Refusal.NOT_A_POST),
    ("https://vm.tiktok.com/a.b", Refusal.MALFORMED_ID),
    ("https://vt.tiktok.com/%2e%2e", Refusal.NOT_A_POST),
    *(
        (f"https://{host}/@somebody/video/{ID}", Refusal.HOST_NOT_SUPPORTED)
        for host in (
            *("douyin.com", "www.douyin.com", "v.douyin.com", "iesdouyin.com", "vxtiktok.com", "tnktok.com"),
            *("tiktok.com.evil.com", "nottiktok.com", "www.vm.tiktok.com", "ads.tiktok.com", "tіktok.com"),
            *("xn--tktok-q4a.com", "tiktok.co", "tiktok", "tiktok.com..", "tik-tok.com", "169.254.169.254"),
        )
    ),
    (f"https://www.tiktok.com@evil.com/@somebody/video/{ID}", Refusal.USERINFO_NOT_ALLOWED),
    (f"https://www.tiktok.com:444/@somebody/video/{ID}", Refusal.PORT_NOT_ALLOWED),
    (f"snssdk1233://aweme/detail/{ID}", Refusal.SCHEME_NOT_ALLOWED),
    (f"https://www.tiktok.com\\@somebody/video/{ID}", Refusal.FORBIDDEN_CHARACTER),
    (f"tiktok.com/@somebody/video/{ID}", Refusal.NOT_A_URL),
]


@pytest.mark.parametrize(("url", "code"), REFUSED)
def test_what_names_no_post_is_refused(url, code):
    answer = identify(url)
    assert isinstance(answer, NotAPost), answer
    assert answer.code == code
