"""Tokens are renewed before they end: once, whoever asks, and stored before they are used."""

import time
from datetime import timedelta

import pytest
from django.db import connection as database
from django_q.models import OrmQ

from config import clock, vault
from platforms import oauth
from platforms.errors import ErrorKind, PlatformError
from platforms.models import Connection
from platforms.sandbox.wire import FaultKind
from platforms.services import connecting, connections
from platforms.services.lanes import NotNowError, park_connection
from platforms.tasks import renew_connections
from reconciliation.services import draining
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, ConnectionFactory
from tests.platforms.support import connected
from tests.reconciliation.support import lane_of
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

LIVES = {"tiktok": timedelta(days=1), "x": timedelta(hours=2), "youtube": timedelta(hours=1)}


@pytest.fixture
def mila(sandbox):
    return AffiliateFactory(name="Mila Ortega")


@pytest.fixture
def later(sandbox):
    """Both clocks, ours and the sandbox's, moved so far on."""

    def move(ahead):
        sandbox.state.set_clock(TODAY + ahead, frozen=True)
        clock.set(TODAY + ahead)

    return move


@pytest.fixture
def calls(monkeypatch):
    """The renewals that leave."""
    made = []
    renew = oauth.renew

    def counted(http, client, *, secrets):
        made.append(dict(secrets))
        return renew(http, client, secrets=secrets)

    monkeypatch.setattr(oauth, "renew", counted)
    return made


def fresh(connection):
    """As a worker that has just leased its lane finds it."""
    return Connection.objects.select_related("platform", "affiliate").get(pk=connection.pk)


# --- When


@pytest.mark.parametrize("slug", LIVES)
def test_a_token_is_renewed_minutes_before_it_ends_and_not_earlier(slug, mila, later, calls):
    connection = connected(slug, mila)
    first = connections.token_of(fresh(connection))
    later(LIVES[slug] - timedelta(minutes=6))
    assert connections.token_of(fresh(connection)) == first
    assert not calls
    later(LIVES[slug] - timedelta(minutes=4))
    second = connections.token_of(fresh(connection))
    assert second != first
    assert connections.token_of(fresh(connection)) == second
    assert len(calls) == 1
    later(LIVES[slug] + timedelta(days=2))
    assert connections.token_of(fresh(connection)) not in (first, second)
    assert len(calls) == 2


def test_the_applications_own_lane_holds_no_token(db):
    assert connections.token_of(lane_of("youtube")) is None


@pytest.mark.parametrize(("slug", "rotates"), [("tiktok", True), ("x", True), ("youtube", False)])
def test_what_the_platform_hands_out_takes_the_old_ones_place(slug, rotates, mila, later):
    connection = connected(slug, mila)
    before = dict(connection.secrets)
    later(LIVES[slug])
    token = connections.token_of(fresh(connection))
    after = fresh(connection).secrets
    assert after["access_token"] == token
    assert (after["refresh_token"] != before["refresh_token"]) is rotates
    assert fresh(connection).renewing_until is None
    assert fresh(connection).token_expires_at > clock.now() + timedelta(minutes=50)


def test_a_facebook_pages_token_has_no_end(mila, later, calls):
    connection = connected("facebook", mila)
    later(timedelta(days=300))
    assert connections.token_of(fresh(connection)) == connection.secrets["access_token"]
    assert not calls


# --- One at a time


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slug", LIVES)
def test_of_many_who_need_it_at_once_one_renews_it(slug, mila, later, calls, monkeypatch):
    connection = connected(slug, mila)
    before = connection.secrets["access_token"]
    later(LIVES[slug] - timedelta(minutes=1))
    renew = oauth.renew

    def slow(http, client, *, secrets):
        time.sleep(0.3)
        return renew(http, client, secrets=secrets)

    monkeypatch.setattr(oauth, "renew", slow)
    rows = [fresh(connection) for _ in range(8)]
    tokens = together(*(lambda row=row: connections.token_of(row) for row in rows))
    assert len(calls) == 1
    assert set(tokens) == {before, fresh(connection).secrets["access_token"]}  # the old one did meanwhile


@pytest.mark.django_db(transaction=True)
def test_who_finds_it_being_renewed_after_its_end_is_told_to_come_back(mila, later, calls):
    connection = connected("x", mila)
    later(LIVES["x"] + timedelta(minutes=1))
    rows = [fresh(connection) for _ in range(2)]
    results = together(*(lambda row=row: connections.token_of(row) for row in rows))
    assert len(calls) == 1
    new = fresh(connection).secrets["access_token"]
    for each in results:
        assert each == new or (isinstance(each, connections.BeingRenewedError) and each.retry_after_s == 2)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_the_call(mila, later, monkeypatch):
    connection = connected("x", mila)
    later(LIVES["x"])
    renew = oauth.renew

    def watched(http, client, *, secrets):
        assert not database.in_atomic_block
        return renew(http, client, secrets=secrets)

    monkeypatch.setattr(oauth, "renew", watched)
    connections.token_of(fresh(connection))


def test_who_comes_late_finds_what_the_first_one_stored(mila, later, calls):
    connection = connected("x", mila)
    later(LIVES["x"])
    late = fresh(connection)
    first = connections.token_of(fresh(connection))
    assert connections.token_of(late) == first
    assert len(calls) == 1


def test_a_worker_that_died_while_renewing_holds_nobody_up_for_long(mila, later, calls):
    connection = connected("x", mila)
    later(LIVES["x"])
    Connection.objects.filter(pk=connection.pk).update(renewing_until=clock.now() + connections.LEASE)
    with pytest.raises(connections.BeingRenewedError):
        connections.token_of(fresh(connection))
    assert not calls
    later(LIVES["x"] + connections.LEASE)
    assert connections.token_of(fresh(connection))
    assert len(calls) == 1


@pytest.mark.parametrize("event", ["disconnected", "connected anew"])
def test_what_its_owner_does_meanwhile_wins(event, mila, later, monkeypatch):
    connection = connected("x", mila)
    later(LIVES["x"])
    renew, made = oauth.renew, []

    def interrupted(http, client, *, secrets):
        grant = renew(http, client, secrets=secrets)
        made.append(grant)
        if event == "disconnected":
            connecting.disconnect(connection=connection, by=mila.user)
        else:
            connected("x", mila)
        return grant

    monkeypatch.setattr(oauth, "renew", interrupted)
    if event == "disconnected":
        with pytest.raises(PlatformError) as caught:
            connections.token_of(fresh(connection))
        assert caught.value.kind is ErrorKind.AUTH
        assert fresh(connection).locked == ""
    else:
        assert connections.token_of(fresh(connection)) == fresh(connection).secrets["access_token"]
        assert fresh(connection).secrets["access_token"] != made[0].access_token


# --- When it fails


def test_a_revoked_grant_is_an_error_of_its_lane(mila, later, sandbox):
    connection = connected("x", mila)
    sandbox.state.notes.revoke_all("x", 3)
    later(LIVES["x"])
    with pytest.raises(PlatformError) as caught:
        connections.token_of(fresh(connection))
    assert caught.value.kind is ErrorKind.AUTH
    assert fresh(connection).renewing_until is None


def test_while_the_host_of_tokens_is_away_the_old_one_does_as_long_as_it_lasts(mila, later, monkeypatch):
    connection = connected("x", mila)

    def away(*args, **kwargs):
        raise PlatformError(ErrorKind.MALFORMED, "not_json", "Gibberish.")

    monkeypatch.setattr(oauth, "renew", away)
    later(LIVES["x"] - timedelta(minutes=1))
    assert connections.token_of(fresh(connection)) == connection.secrets["access_token"]
    later(LIVES["x"])
    with pytest.raises(NotNowError) as caught:
        connections.token_of(fresh(connection))
    assert (caught.value.kind, caught.value.retry_after_s) == (ErrorKind.UNAVAILABLE, connections.AWAY_S)
    assert fresh(connection).renewing_until is None


def test_a_pasted_token_that_has_ended_is_an_error_of_its_lane(later):
    connection = ConnectionFactory(token_expires_at=TODAY + timedelta(minutes=3))
    assert connections.token_of(connection) == "sb.tiktok.3.1.0"
    later(timedelta(minutes=3))
    with pytest.raises(PlatformError) as caught:
        connections.token_of(connection)
    assert (caught.value.kind, caught.value.code) == (ErrorKind.AUTH, "token_expired")


@pytest.mark.parametrize("held", ["nothing", "garbage", "no token", "another key's"])
def test_what_cannot_be_opened_is_an_error_of_its_lane(held):
    locked = {
        "nothing": "",
        "garbage": "garbage",
        "no token": vault.lock({}),
        "another key's": vault.Fernet(vault.Fernet.generate_key()).encrypt(b"{}").decode(),
    }[held]
    with pytest.raises(PlatformError) as caught:
        connections.token_of(ConnectionFactory(locked=locked))
    assert caught.value.kind is ErrorKind.AUTH


# --- What it does to the drain


@pytest.fixture
def waiting(mila, sandbox, claim, world_post):
    """A TikTok claim in the lane of its owner's connection."""
    post = world_post("tiktok", 3)
    connection = connected("tiktok", mila, author=post.author)
    claim(mila, CampaignFactory(), post, 1)
    return connection


def breaker_failures(connection):
    return connection.platform.breakers.get(livemode=True).failures


def test_a_renewal_by_somebody_else_makes_the_lane_wait_and_counts_for_nothing(waiting, later):
    later(LIVES["tiktok"])
    Connection.objects.filter(pk=waiting.pk).update(renewing_until=clock.now() + connections.LEASE)
    assert draining.drain(connection_id=waiting.pk, paced=False) == 0
    lane = fresh(waiting)
    assert (lane.state, lane.not_before) == ("active", clock.now() + timedelta(seconds=2))
    assert breaker_failures(lane) == 0
    Connection.objects.filter(pk=waiting.pk).update(renewing_until=None)
    later(LIVES["tiktok"] + timedelta(seconds=2))
    assert draining.drain(connection_id=waiting.pk, paced=False) == 1


def test_a_refused_renewal_parks_this_lane_only_and_its_owner_is_told(waiting, later, sandbox):
    other = connected("tiktok", AffiliateFactory(), author=9)
    sandbox.state.notes.revoke_all("tiktok", 3)
    later(LIVES["tiktok"])
    assert draining.drain(connection_id=waiting.pk, paced=False) == 0
    lane = fresh(waiting)
    assert (lane.state, lane.parked_reason) == ("parked", "auth: invalid_grant")
    assert "no longer accepts what you allowed" in lane.trouble
    assert fresh(other).state == "active"
    assert breaker_failures(lane) == 0
    again = connected("tiktok", lane.affiliate)
    assert draining.drain(connection_id=again.pk, paced=False) == 1


# --- By the clock


def test_instagrams_tokens_are_renewed_by_the_clock_in_their_last_week(mila, later, calls):
    connection = connected("instagram", mila)
    first = connection.secrets["access_token"]
    for days, renewals in ((1, 0), (52, 0), (54, 1), (55, 1), (108, 2)):
        later(timedelta(days=days))
        renew_connections()
        assert len(calls) == renewals
    row = fresh(connection)
    assert row.secrets["access_token"] != first
    assert row.refresh_expires_at == row.token_expires_at == clock.now() + timedelta(days=60)


def test_a_token_is_not_renewed_before_it_is_a_day_old(mila, later, calls):
    connection = connected("instagram", mila)
    Connection.objects.filter(pk=connection.pk).update(token_expires_at=TODAY + timedelta(days=2))
    renew_connections()
    assert not connections.can_renew(fresh(connection))
    assert not calls
    later(timedelta(days=1))
    renew_connections()
    assert len(calls) == 1


def test_a_refusal_by_the_clock_parks_the_lane_and_a_platform_that_is_away_does_not(mila, later, sandbox, monkeypatch):
    connection = connected("instagram", mila)
    later(timedelta(days=55))
    sandbox.state.notes.revoke_all("instagram", 3)
    with monkeypatch.context() as patch:

        def away(*args, **kwargs):
            raise PlatformError(ErrorKind.UNAVAILABLE, "timeout", "Away.")

        patch.setattr(oauth, "renew", away)
        renew_connections()
        assert fresh(connection).state == "active"
        assert fresh(connection).ends_soon  # and its owner is told
    renew_connections()
    assert fresh(connection).state == "parked"


def test_a_round_that_takes_long_hands_on(mila, later, calls, monkeypatch):
    connected("instagram", mila)
    later(timedelta(days=55))
    OrmQ.objects.all().delete()
    monkeypatch.setattr(connections, "TIME_BUDGET_S", -1)
    renew_connections()
    assert not calls
    assert [row.task["func"] for row in OrmQ.objects.all()] == ["platforms.tasks.renew_connections"]


def test_what_is_parked_or_pasted_is_not_renewed_by_the_clock(mila, later, calls):
    connection = connected("instagram", mila)
    park_connection(connection_id=connection.pk, reason="auth: 190")
    connecting.connect_with_token(
        affiliate=AffiliateFactory(),
        platform=connection.platform,
        livemode=True,
        token="sb.instagram.4.1.0",
        by=mila.user,
    )
    later(timedelta(days=55))
    renew_connections()
    assert not calls


@pytest.mark.parametrize(
    ("state", "ends_in", "soon"),
    [
        ("active", timedelta(days=7), True),
        ("active", timedelta(days=7, seconds=1), False),
        ("active", None, False),
        ("parked", timedelta(days=1), False),
    ],
)
def test_what_ends_within_a_week_is_said_to_end_soon(state, ends_in, soon):
    assert ConnectionFactory(state=state, refresh_expires_at=ends_in and TODAY + ends_in).ends_soon is soon


def test_faults_of_the_platforms_data_do_not_touch_renewals(mila, later, sandbox):
    connection = connected("x", mila)
    sandbox.state.set_fault("x", FaultKind.SERVER_ERROR, 1, 600)
    later(LIVES["x"])
    assert connections.token_of(fresh(connection)) != connection.secrets["access_token"]
