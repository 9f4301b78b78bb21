"""The page of an affiliate's connections, and the way to a platform and back: every wrong turn told in plain words."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.messages import get_messages
from django.db import connections as databases
from django.test import Client
from django.urls import reverse

from config import clock
from platforms import handshake
from platforms.models import Account, Connection
from platforms.services import accounts, connecting
from platforms.services.lanes import park_connection
from tests.factories import TODAY, AffiliateFactory, ConnectionFactory, MembershipFactory
from tests.platforms.support import allow, connected, everything_stored, handle, platform
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]

PAGE = "/connections/"


def logged_in(affiliate, **kwargs):
    client = Client(**kwargs)
    client.force_login(affiliate.user)
    return client


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila Ortega")


@pytest.fixture
def client(mila):
    return logged_in(mila)


def start(client, slug="tiktok", query=""):
    """The address to which the page leads that the start gives."""
    html = client.post(f"/connections/{slug}/connect/{query}").content.decode()
    (address,) = re.findall(r'http-equiv="refresh" content="0;url=([^"]+)"', html)
    assert f'href="{address}"' in html
    return address.replace("&amp;", "&")


def go(client, slug="tiktok", decision="allow", query=""):
    """To the platform and its decision: what comes back."""
    return allow(start(client, slug, query), handle(slug), decision)


def back(client, slug="tiktok", **params):
    """What the way back tells."""
    answer = client.get(f"/connections/{slug}/callback", params)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    client.cookies.pop("messages", None)  # read
    return [str(message) for message in get_messages(answer.wsgi_request)]


# --- There and back


@pytest.mark.parametrize("slug", ["tiktok", "instagram", "facebook", "x", "youtube"])
def test_an_account_is_connected_by_going_there_and_coming_back(slug, client, mila):
    told = back(client, slug, **go(client, slug))
    (name,) = [platform(slug).name]
    assert told == [f"{name} is connected as @{handle(slug).lower()}. Your claims there are looked at now."]
    connection = Connection.objects.get(affiliate=mila)
    assert (connection.state, connection.livemode) == ("active", True)
    html = client.get(PAGE).content.decode()
    assert f"@{handle(slug).lower()}" in html
    assert connection.secrets["access_token"] not in html


def test_the_way_there_says_where_to_come_back_and_nothing_in_the_clear(client, settings):
    address = start(client, "x")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["redirect_uri"] == "http://testserver/connections/x/callback"
    kept = client.session["oauth"]
    assert asked["state"] == kept["state"]
    assert kept["verifier"] not in address
    assert len(kept["state"]) > 40
    assert len(kept["verifier"]) > 43


def test_it_is_started_by_a_post_with_its_token_and_by_nothing_else(mila):
    strict = logged_in(mila, enforce_csrf_checks=True)
    assert strict.post("/connections/tiktok/connect/").status_code == 403
    page = strict.get("/connections/tiktok/connect/")
    assert "oauth" not in strict.session
    assert "Go on to TikTok" in page.content.decode()


def test_the_page_that_leads_away_is_kept_nowhere_and_tells_nobody_where_from(client):
    answer = client.post("/connections/tiktok/connect/")
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
    assert "form-action 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_test_mode_connects_the_sandbox_for_test_keys(client, mila):
    told = back(client, **go(client, query="?mode=test"))
    assert told[0].startswith("TikTok is connected as @rapidfork in test mode, where your test keys see it.")
    assert Connection.objects.get(affiliate=mila).livemode is False
    assert "Not connected" in client.get(PAGE).content.decode()


# --- Wrong turns


def test_a_no_is_a_no(client, mila):
    assert back(client, **go(client, decision="deny")) == ["You did not allow it at TikTok, so nothing is connected."]
    assert not Connection.objects.filter(affiliate=mila).exists()
    assert "oauth" not in client.session


@pytest.mark.parametrize(
    ("error", "said"),
    [("server_error", " (server_error)"), ("<script>", ""), ("x" * 5_000, ""), ("", "")],
)
def test_an_error_of_the_platforms_is_told_and_not_repeated_blindly(error, said, client):
    state = go(client)["state"]
    told = back(client, error=error, state=state, code="a-code")
    assert told == [f"TikTok sent you back with an error{said}, so nothing is connected. Try again."]


STRAY = "This way back from TikTok was used already, or was not started here"


@pytest.mark.parametrize("state", ["", "of-somebody-else", "ünï", "x" * 5_000])
def test_a_state_that_is_not_ours_changes_nothing_and_uses_nothing_up(state, client, mila):
    given = go(client)
    (told,) = back(client, **given | {"state": state})
    assert told.startswith(STRAY)
    assert not Connection.objects.filter(affiliate=mila).exists()
    assert "is connected" in back(client, **given)[0]


def test_without_a_start_there_is_no_way_back(client, mila):
    assert back(client, code="a", state="b")[0].startswith(STRAY)
    assert back(client)[0].startswith(STRAY)


def test_a_way_back_that_is_walked_twice_is_taken_for_a_second_click(client, mila):
    given = go(client)
    back(client, **given)
    held = Connection.objects.get(affiliate=mila).locked
    assert back(client, **given)[0] == "TikTok is connected."
    with clock.at(TODAY + timedelta(minutes=3)):
        assert back(client, **given)[0].startswith(STRAY)
    assert Connection.objects.get(affiliate=mila).locked == held


def test_a_way_back_that_took_too_long_is_over(client, mila, sandbox):
    given = go(client)
    with clock.at(TODAY + handshake.LIFE + timedelta(seconds=1)):
        assert back(client, **given) == ["Coming back from TikTok took more than ten minutes. Connect again."]
    assert not Connection.objects.filter(affiliate=mila).exists()


def test_what_was_started_for_one_platform_ends_at_no_other(client, mila):
    given = go(client, "x")
    assert "was not started here" in back(client, "youtube", **given)[0]
    assert not Connection.objects.filter(affiliate=mila).exists()


def test_what_one_person_started_is_not_anothers_to_finish(client, mila):
    given = go(client)
    other = logged_in(AffiliateFactory())
    assert back(other, **given)[0].startswith(STRAY)
    assert not Connection.objects.exclude(affiliate=None).exists()


def test_somebody_who_logs_in_in_between_finishes_nothing_of_the_one_before(client):
    given = go(client)
    client.force_login(AffiliateFactory().user)
    assert back(client, **given)[0].startswith(STRAY)


def test_starting_again_forgets_the_first_start(client, mila):
    first = go(client)
    second = go(client)
    assert back(client, **first)[0].startswith(STRAY)
    assert "is connected as" in back(client, **second)[0]


@pytest.mark.parametrize("code", ["", "x" * 5_000, "made-up", "nul\0"])
def test_a_code_that_is_none_is_told(code, client, mila):
    given = go(client)
    (told,) = back(client, state=given["state"], code=code)
    assert "Connect again." in told
    assert not Connection.objects.filter(affiliate=mila).exists()


def test_an_account_of_somebody_elses_is_told(client, mila):
    connected("tiktok", AffiliateFactory())
    assert back(client, **go(client)) == ["Somebody else has proven that this account on TikTok is theirs."]


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_once_one_connects(mila):
    client = logged_in(mila)
    given = go(client, "x")
    twins = [Client() for _ in range(2)]
    for twin in twins:
        twin.cookies = client.cookies
    answers = together(*(lambda twin=twin: twin.get("/connections/x/callback", given) for twin in twins))
    assert [answer.status_code for answer in answers] == [302, 302]
    assert Connection.objects.get(affiliate=mila).state == "active"
    told = [str(message) for answer in answers for message in get_messages(answer.wsgi_request)]
    assert sum("is connected as" in each for each in told) == 1
    assert not any("did not accept" in each for each in told)
    databases.close_all()


def test_who_is_not_logged_in_is_asked_to(client):
    stranger = Client()
    for path in (PAGE, "/connections/tiktok/connect/", "/connections/tiktok/callback?code=a&state=b"):
        assert stranger.get(path)["Location"].startswith("/login/?next=")


def test_who_is_no_affiliate_has_no_connections(mila):
    member = Client()
    member.force_login(MembershipFactory().user)
    mila.is_active = False
    mila.save()
    for client in (member, logged_in(mila)):
        assert client.get(PAGE).status_code == 403
        assert client.post("/connections/tiktok/connect/").status_code == 403
        assert client.get("/connections/tiktok/callback").status_code == 403
        assert client.post("/connections/x/token/", {"token": "sb.x.3.1.0"}).status_code == 403
        assert client.post("/connections/accounts/", {"platform": "x", "handle": "ann"}).status_code == 403


@pytest.mark.parametrize("slug", ["reddit", "myspace"])
def test_what_cannot_be_connected_has_no_page(slug, client):
    assert client.get(f"/connections/{slug}/connect/").status_code == 404
    assert client.get(f"/connections/{slug}/callback").status_code == 404


def test_a_platform_where_we_are_no_application_says_so(client, settings):
    settings.OAUTH = settings.OAUTH | {"tiktok": settings.OAUTH["tiktok"] | {"client_id": ""}}
    assert "Connecting is not set up here yet." in client.get(PAGE).content.decode()
    assert "Not set up here yet" in client.post("/connections/tiktok/connect/").content.decode()
    assert "oauth" not in client.session


# --- The page


def words_of(client, slug="tiktok"):
    html = client.get(PAGE).content.decode()
    card = re.search(rf'<section class="panel connection" aria-labelledby="{slug}-title">.*?</section>', html, re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", card.group()).split())


def test_a_card_says_what_connecting_is_good_for(client):
    assert words_of(client) == (
        "TikTok ○ Not connected TikTok shows a video&#x27;s figures to its owner only. Until you connect, your claims "
        "there stay unverifiable. Connect TikTok"
    )


def test_a_card_says_how_a_connection_stands(client, mila):
    connection = connected("tiktok", mila)
    Connection.objects.filter(pk=connection.pk).update(last_success_at=TODAY - timedelta(minutes=4))
    text = words_of(client).replace("\N{NO-BREAK SPACE}", " ")
    assert "✓ Connected Account @rapidfork Since 20 Nov Last read 4 min ago Holds until 20 Nov 2027" in text
    park_connection(connection_id=connection.pk, reason="auth: access_token_invalid")
    text = words_of(client)
    assert "! Needs you" in text
    assert "TikTok no longer accepts what you allowed us" in text
    assert "Connect again" in text
    connecting.disconnect(connection=connection, by=mila.user)
    assert "○ Not connected Disconnected. TikTok shows" in words_of(client)


def test_a_card_says_when_a_connection_ends_soon(client, mila):
    ConnectionFactory(affiliate=mila, refresh_expires_at=TODAY + timedelta(days=3))
    assert "◷ Ends soon" in words_of(client)
    assert "Ends on 23 Nov, 12:00." in words_of(client)


def test_disconnecting_asks_first_and_says_what_it_does(client, mila):
    connection = connected("tiktok", mila)
    html = client.get(PAGE).content.decode()
    assert "Claims that only your connection can check become unverifiable" in html
    told = client.post(reverse("connections:disconnect", args=[connection.pk]), follow=True)
    assert "TikTok is disconnected, and what we stored is erased." in told.content.decode()
    connection.refresh_from_db()
    assert (connection.state, connection.locked) == ("disconnected", "")


def test_what_is_anothers_is_not_there(client):
    theirs = ConnectionFactory()
    said = accounts.claim_account(
        affiliate=theirs.affiliate, platform=platform("x"), livemode=True, handle="ann", by=theirs.affiliate.user
    )
    assert client.post(reverse("connections:disconnect", args=[theirs.pk])).status_code == 404
    for name in ("account-check", "account-withdraw"):
        assert client.post(reverse(f"connections:{name}", args=[said.pk])).status_code == 404
    assert client.get(reverse("connections:account", args=[said.pk])).status_code == 404
    own = Connection.objects.own().first()
    assert client.post(reverse("connections:disconnect", args=[own.pk])).status_code == 404
    theirs.refresh_from_db()
    assert theirs.state == "active"


def test_a_pasted_token_is_never_written_back(client, mila):
    bad = client.post("/connections/x/token/", {"token": "sb.x.3.r77.0"})
    assert bad.status_code == 422
    assert "X does not accept this token." in bad.content.decode()
    assert "sb.x.3.r77.0" not in bad.content.decode()
    good = client.post("/connections/x/token/", {"token": "sb.x.3.1.0"}, follow=True)
    assert "X is connected as @rapidfork." in good.content.decode()
    assert "sb.x.3.1.0" not in good.content.decode() + everything_stored()


def test_an_account_is_said_checked_and_shown(client, mila, sandbox):
    client.post("/connections/accounts/", {"platform": "x", "handle": "@RapidFork"})
    account = Account.objects.get()
    html = client.get(PAGE).content.decode()
    assert account.code in html
    assert "hx-get" not in html.partition('id="accounts"')[2]
    client.post(reverse("connections:account-check", args=[account.pk]))
    html = client.get(PAGE).content.decode()
    assert "We are looking for it now." in html
    assert f'hx-get="{reverse("connections:account", args=[account.pk])}"' in html
    sandbox.state.notes.bios["x", 3] = account.code
    accounts.check_account(account_id=account.pk)
    row = client.get(reverse("connections:account", args=[account.pk])).content.decode()
    assert "The code stands in the bio." in row
    assert "hx-get" not in row
    client.post(reverse("connections:account-withdraw", args=[account.pk]))
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"platform": "x", "handle": "two words"}, "A handle is one word"),
        ({"platform": "x", "handle": "nul\0"}, "Null characters are not allowed."),
        ({"platform": "tiktok", "handle": "ann"}, "Select a valid choice."),
        ({}, "This field is required."),
    ],
)
def test_what_cannot_be_said_is_told_at_its_field(body, error, client):
    answer = client.post("/connections/accounts/", body)
    assert answer.status_code == 422
    assert error in answer.content.decode()
    assert not Account.objects.exists()


def test_a_link_that_names_no_post_is_told(client, mila):
    account = accounts.claim_account(affiliate=mila, platform=platform("x"), livemode=True, handle="ann", by=mila.user)
    answer = client.post(
        reverse("connections:account-check", args=[account.pk]), {"post_url": "https://t.co/a"}, follow=True
    )
    assert "A short link has to be opened first" in answer.content.decode()


def test_what_strangers_call_themselves_is_text(client, mila):
    connection = connected("x", mila)
    Account.objects.filter(connection=connection).update(handle="<b>x</b>")
    html = client.get(PAGE).content.decode()
    assert "<b>x</b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html


def test_the_page_takes_as_many_queries_for_much_as_for_little(client, mila, django_assert_max_num_queries):
    for slug in ("tiktok", "x", "youtube", "instagram", "facebook"):
        connected(slug, mila)
    for name in ("ann", "bob", "cleo"):
        accounts.claim_account(affiliate=mila, platform=platform("x"), livemode=True, handle=name, by=mila.user)
    with django_assert_max_num_queries(9):
        client.get(PAGE)
