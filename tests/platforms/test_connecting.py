"""Connecting and disconnecting, against the sandbox's authorising side over HTTP."""

import pytest
import structlog
from django.db import transaction
from django_q.models import OrmQ

from affiliates.models import AuditEvent
from config import vault
from platforms.adapters.base import Profile
from platforms.models import Account, Connection
from platforms.oauth import PROVIDERS, Grant
from platforms.refusals import (
    AccountTakenError,
    GrantRefusedError,
    NotConnectableError,
    PlatformAwayError,
    TokenRefusedError,
)
from platforms.sandbox.wire import FaultKind
from platforms.services import connecting, connections
from platforms.services.lanes import park_connection
from tests.factories import TODAY, AffiliateFactory
from tests.platforms.support import BACK, VERIFIER, code_from, connected, everything_stored, handle, platform

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila Ortega")


PASTED = "sb.x.3.1.0"


def paste(affiliate, slug="x", token=PASTED):
    return connecting.connect_with_token(
        affiliate=affiliate, platform=platform(slug), livemode=True, token=token, by=affiliate.user
    )


def queued():
    return [(row.task["func"], row.task["args"]) for row in OrmQ.objects.all()]


# --- By OAuth


@pytest.mark.parametrize("slug", PROVIDERS)
def test_an_account_is_connected_and_thereby_proven(slug, mila, sandbox):
    connection = connected(slug, mila)
    assert (connection.state, connection.method, connection.livemode) == ("active", "oauth", True)
    assert (connection.connected_at, connection.parked_reason) == (TODAY, "")
    assert connections.token_of(connection) == connection.secrets["access_token"]
    account = Account.objects.get()
    assert (account.affiliate, account.connection, account.proven_at) == (mila, connection, TODAY)
    assert account.handle == handle(slug).lower()
    assert account.external_id == sandbox.state.world.author_id(slug, 3)


def test_what_lasts_how_long_is_noted(mila):
    lives = {}
    for slug in PROVIDERS:
        row = connected(slug, mila)
        lives[slug] = tuple(end and (end - TODAY).days for end in (row.token_expires_at, row.refresh_expires_at))
    assert lives == {
        "tiktok": (1, 365),
        "instagram": (60, 60),
        "facebook": (None, None),
        "x": (0, None),
        "youtube": (0, None),
    }


def test_connecting_is_on_record_and_has_the_posts_looked_at_again(mila):
    connection = connected("tiktok", mila)
    event = AuditEvent.objects.get(action="connection.connected")
    assert (event.actor, event.object_id) == (mila.user, connection.pk)
    assert event.changes["scopes"] == list(PROVIDERS["tiktok"].scopes)
    expected = (str(mila.pk), str(connection.platform_id), "live")
    assert queued() == [("reconciliation.tasks.look_again", expected)]


def test_a_code_works_once(mila):
    given = {"affiliate": mila, "platform": platform("x"), "livemode": True, "by": mila.user}
    given |= {"code": code_from("x"), "redirect_uri": BACK.format("x"), "verifier": VERIFIER}
    connecting.connect_by_oauth(**given)
    held = Connection.objects.get(affiliate=mila).locked
    with pytest.raises(GrantRefusedError):
        connecting.connect_by_oauth(**given)
    assert Connection.objects.get(affiliate=mila).locked == held


@pytest.mark.parametrize("slug", ["x", "youtube"])
def test_a_code_without_its_verifier_is_worth_nothing(slug, mila):
    with pytest.raises(GrantRefusedError):
        connecting.connect_by_oauth(
            affiliate=mila,
            platform=platform(slug),
            livemode=True,
            code=code_from(slug),
            redirect_uri=BACK.format(slug),
            verifier="of somebody else",
            by=mila.user,
        )
    assert not Connection.objects.filter(affiliate=mila).exists()


@pytest.mark.parametrize("fault", [FaultKind.SERVER_ERROR, FaultKind.RATE_LIMIT, FaultKind.RESET, FaultKind.MALFORMED])
def test_nothing_is_kept_while_the_platform_is_away(fault, mila, sandbox):
    code = code_from("x")
    sandbox.state.set_fault("x", fault, 1, 600)
    with pytest.raises(PlatformAwayError):
        connecting.connect_by_oauth(
            affiliate=mila,
            platform=platform("x"),
            livemode=True,
            code=code,
            redirect_uri=BACK.format("x"),
            verifier=VERIFIER,
            by=mila.user,
        )
    assert not Connection.objects.filter(affiliate=mila).exists()
    assert not Account.objects.exists()


def test_a_grant_that_lacks_something_is_not_kept(mila, monkeypatch):
    code = code_from("x")
    short = Grant("a", "r", scopes=("users.read",))
    monkeypatch.setattr(connecting.oauth, "exchange", lambda *args, **kwargs: short)
    with pytest.raises(GrantRefusedError) as caught:
        connecting.connect_by_oauth(
            affiliate=mila,
            platform=platform("x"),
            livemode=True,
            code=code,
            redirect_uri="",
            verifier="",
            by=mila.user,
        )
    assert caught.value.code == "scope_missing"


def test_where_we_are_no_application_nobody_connects(mila, settings):
    settings.OAUTH = settings.OAUTH | {"x": settings.OAUTH["x"] | {"client_id": ""}}
    with pytest.raises(NotConnectableError):
        connecting.client_for(platform("x"), livemode=True)
    with pytest.raises(NotConnectableError):
        connecting.client_for(platform("reddit"), livemode=True)


# --- Again, and another account


def test_connecting_again_mends_a_parked_connection_and_replaces_what_it_held(mila):
    first = connected("tiktok", mila)
    park_connection(connection_id=first.pk, reason="auth: access_token_invalid")
    again = connected("tiktok", mila)
    assert again.pk == first.pk
    assert (again.state, again.parked_at, again.parked_reason, again.trouble) == ("active", None, "", "")
    assert again.locked != first.locked
    assert Account.objects.count() == 1


def test_another_account_takes_the_connection_over_and_the_first_stays_proven(mila):
    connected("x", mila, author=3)
    connection = connected("x", mila, author=4)
    was, now = (Account.objects.get(handle=handle("x", author).lower()) for author in (3, 4))
    assert (was.connection, was.proven_at) == (None, TODAY)
    assert now.connection == connection
    assert connection.handle == now.handle


def test_an_account_is_one_affiliates_only(mila):
    connected("tiktok", mila)
    other = AffiliateFactory()
    with pytest.raises(AccountTakenError):
        connected("tiktok", other)
    assert not Connection.objects.filter(affiliate=other).exists()
    assert "Mila" not in str(AccountTakenError)
    connected("tiktok", other, livemode=False)  # test mode is a world of its own


def test_a_handle_that_changed_hands_follows_its_account(mila):
    other = AffiliateFactory()
    with transaction.atomic():
        for owner, external_id in ((mila, "ID-1"), (other, "ID-2")):
            connecting.connect(
                affiliate=owner,
                platform=platform("x"),
                livemode=True,
                grant=Grant("a"),
                profile=Profile(external_id, "Ann"),
                method=Connection.Method.TOKEN,
                by=owner.user,
            )
    assert dict(Account.objects.values_list("external_id", "handle")) == {"ID-1": "id-1", "ID-2": "ann"}


def test_an_account_that_was_renamed_stays_one_account(mila):
    for name in ("before", "After"):
        connecting.connect(
            affiliate=mila,
            platform=platform("x"),
            livemode=True,
            grant=Grant("a"),
            profile=Profile("ID-1", name, followers=5),
            method=Connection.Method.TOKEN,
            by=mila.user,
        )
    account = Account.objects.get()
    assert (account.handle, account.external_id, account.followers) == ("after", "ID-1", 5)


def test_an_account_without_a_name_goes_by_its_id(mila):
    connecting.connect(
        affiliate=mila,
        platform=platform("youtube"),
        livemode=True,
        grant=Grant("a"),
        profile=Profile("UCabc"),
        method=Connection.Method.TOKEN,
        by=mila.user,
    )
    assert Account.objects.get().handle == "ucabc"


# --- By a pasted token


@pytest.mark.parametrize("slug", connecting.TAKES_TOKENS)
def test_a_pasted_token_is_tried_out_and_kept(slug, mila):
    kind = "p" if slug == "facebook" else ""
    connection = paste(mila, slug, f"sb.{slug}.3.{kind}1.0")
    assert (connection.method, connection.state, connection.token_expires_at) == ("token", "active", None)
    assert connections.token_of(connection) == f"sb.{slug}.3.{kind}1.0"
    assert not connections.can_renew(connection)


@pytest.mark.parametrize(
    "token",
    ["sb.x.999999.1.0", "sb.youtube.3.1.0", "sb.x.3.r1.0", "sb.x.3.1.1000", "an application's", "ä", "a\nb", ""],
)
def test_a_token_that_the_platform_does_not_accept_is_not_kept(token, mila):
    with pytest.raises(TokenRefusedError) as caught:
        paste(mila, token=token)
    assert caught.value.field == "token"
    assert not token or token not in caught.value.message
    assert not Connection.objects.filter(affiliate=mila).exists()


def test_an_api_key_says_nothing_about_whose_channel_it_is(mila):
    with pytest.raises(TokenRefusedError, match="API key"):
        paste(mila, "youtube", "AIzaSyA-an-api-key")


@pytest.mark.parametrize("slug", ["tiktok", "reddit"])
def test_some_platforms_take_no_tokens(slug, mila):
    with pytest.raises(NotConnectableError):
        paste(mila, slug, f"sb.{slug}.3.1.0")


def test_a_token_is_not_kept_while_the_platform_is_away(mila, sandbox):
    sandbox.state.set_fault("x", FaultKind.SERVER_ERROR, 1, 600)
    with pytest.raises(PlatformAwayError) as caught:
        paste(mila)
    assert caught.value.status == 503


# --- Disconnecting


def test_disconnecting_erases_everything_and_tells_the_platform(mila, sandbox):
    connection = connected("x", mila)
    secrets = dict(connection.secrets)
    OrmQ.objects.all().delete()
    assert connecting.disconnect(connection=connection, by=mila.user)
    connection.refresh_from_db()
    assert (connection.state, connection.locked, connection.scopes) == ("disconnected", "", "")
    assert (connection.token_expires_at, connection.refresh_expires_at) == (None, None)
    account = Account.objects.get()
    assert (account.proven_at, account.connection) == (TODAY, None)
    assert AuditEvent.objects.filter(action="connection.disconnected", actor=mila.user).count() == 1
    assert [name for name, _ in queued()] == ["reconciliation.tasks.look_again"]
    client = connecting.client_for(connection.platform, livemode=True)
    with pytest.raises(connections.PlatformError):
        connecting.oauth.renew(connecting.shared_http, client, secrets=secrets)
    assert not connecting.disconnect(connection=connection, by=mila.user)
    assert AuditEvent.objects.filter(action="connection.disconnected").count() == 1


def test_disconnecting_works_while_the_platform_is_away_and_when_the_key_is_lost(mila, sandbox, settings):
    first, second = connected("x", mila), connected("tiktok", mila)
    for slug in ("x", "tiktok"):
        sandbox.state.set_fault(slug, FaultKind.RESET, 1, 600)
    assert connecting.disconnect(connection=first, by=mila.user)
    settings.ENCRYPTION_KEYS = ["x" * 43 + "="]
    assert connecting.disconnect(connection=second, by=mila.user)
    assert set(Connection.objects.filter(affiliate=mila).values_list("state", "locked")) == {("disconnected", "")}


def test_who_disconnected_may_connect_again(mila):
    connection = connected("youtube", mila)
    connecting.disconnect(connection=connection, by=mila.user)
    again = connected("youtube", mila)
    assert (again.pk, again.state) == (connection.pk, "active")
    assert Account.objects.get().connection == again


# --- Secrets


def test_no_token_lies_in_the_open_anywhere(mila, caplog):
    with structlog.testing.capture_logs() as logs:
        secrets = [dict(connected(slug, mila).secrets) for slug in PROVIDERS]
        secrets.append(dict(paste(mila).secrets))
    tokens = [held[name] for held in secrets for name in ("access_token", "refresh_token") if name in held]
    assert len(tokens) == 9
    written = everything_stored() + str(logs) + caplog.text
    assert [token for token in tokens if token in written] == []
    assert "gAAAA" in written  # what is there is Fernet's


def test_an_older_key_still_opens_what_it_locked(mila, settings):
    connection = connected("x", mila)
    settings.ENCRYPTION_KEYS = [vault.Fernet.generate_key().decode(), *settings.ENCRYPTION_KEYS]
    assert connections.token_of(connection) == connection.secrets["access_token"]
