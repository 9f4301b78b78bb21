"""Accounts without a connection: a one-time code where only the owner can write, read by a worker."""

import re
from datetime import timedelta

import pytest
from django_q.models import OrmQ

from affiliates.models import AuditEvent
from config import clock
from platforms.adapters.base import Profile
from platforms.models import Account, Breaker
from platforms.refusals import (
    AccountStateError,
    AccountTakenError,
    CodeExpiredError,
    NotProvableError,
    PostLinkError,
    TooManyChecksError,
)
from platforms.sandbox.wire import FaultKind
from platforms.services import accounts
from platforms.services.lanes import park_connection
from platforms.tasks import check_account, check_waiting_accounts
from tests.factories import TODAY, AffiliateFactory
from tests.platforms.support import connected, handle, platform
from tests.reconciliation.support import lane_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today", "sandbox")]

BY_CODE = ("youtube", "x", "reddit", "instagram")
AUTHOR = 3


@pytest.fixture(autouse=True)
def _our_own_instagram_account(sandbox, settings):
    """Business discovery looks others up as somebody."""
    ours = {"business_id": sandbox.state.world.author_id("instagram", 0)}
    settings.PLATFORMS = settings.PLATFORMS | {"instagram": settings.PLATFORMS["instagram"] | ours}


@pytest.fixture
def mila():
    return AffiliateFactory(name="Mila Ortega")


@pytest.fixture
def say(mila):
    """Mila says that a handle is hers."""

    def claim(slug="x", name=None, by=mila):
        return accounts.claim_account(
            affiliate=by, platform=platform(slug), livemode=True, handle=name or handle(slug, AUTHOR), by=by.user
        )

    return claim


@pytest.fixture
def write_bio(sandbox):
    def write(text, slug="x", author=AUTHOR):
        sandbox.state.notes.bios[slug, author] = text

    return write


@pytest.fixture
def look():
    """Ask for a check, and make it as a worker does."""

    def check(account, post_url=""):
        accounts.request_check(account=account, post_url=post_url, by=account.affiliate.user)
        check_account(str(account.pk))
        account.refresh_from_db()
        return account

    return check


def by_author(sandbox, slug):
    """A post of the author's, wherever in the world it is."""
    posts = (sandbox.state.world.post(slug, "even", index) for index in range(5_000))
    return next(post for post in posts if post.author == AUTHOR)


# --- Saying


def test_a_handle_that_is_said_gets_a_code_for_a_week(say, mila):
    account = say(name=" @RapidFork ")
    assert (account.handle, account.state, account.proven_at) == ("rapidfork", "said", None)
    assert re.fullmatch(r"claimcheck-[2-9a-z]{8}", account.code)
    assert account.code_expires_at == TODAY + timedelta(days=7)
    assert AuditEvent.objects.get(action="account.claimed").actor == mila.user


def test_saying_it_again_keeps_the_code_until_it_has_expired(say):
    first = say().code
    assert say().code == first
    with clock.at(TODAY + timedelta(days=7)):
        assert say().code != first
    assert Account.objects.count() == 1


@pytest.mark.parametrize("slug", ["tiktok", "facebook"])
def test_where_bios_are_for_connected_owners_only_no_code_helps(slug, say):
    with pytest.raises(NotProvableError) as caught:
        say(slug)
    assert (caught.value.field, caught.value.code) == ("platform", "connection_needed")


@pytest.mark.parametrize("name", ["two words", "a/b", "@@a", "@", "a?b", "https://x.com/ann", "a" * 101, "nul\0"])
def test_a_handle_is_one_word(name, say):
    with pytest.raises(NotProvableError) as caught:
        say(name=name)
    assert (caught.value.field, caught.value.code) == ("handle", "malformed_handle")


def test_what_somebody_else_has_proven_cannot_be_said(say, mila):
    connected("x", AffiliateFactory(), author=AUTHOR)
    with pytest.raises(AccountTakenError):
        say()
    assert not Account.objects.filter(affiliate=mila).exists()


def test_several_may_say_the_same_until_one_proves_it(say, write_bio, look):
    mine, theirs = say(), say(by=AffiliateFactory())
    assert mine.code != theirs.code
    write_bio(f"Food and travel. {theirs.code}")
    assert look(mine).state == "said"
    assert look(theirs).state == "proven"
    write_bio(mine.code)
    assert look(mine).check_result.startswith("Somebody else has proven")
    assert mine.state == "said"


# --- Proving


@pytest.mark.parametrize("slug", BY_CODE)
def test_a_code_in_the_bio_proves_the_account(slug, say, mila, write_bio, look, sandbox):
    account = say(slug)
    write_bio(f"Hello!\n{account.code.upper()} bye", slug)
    OrmQ.objects.all().delete()
    look(account)
    assert (account.state, account.proven_at, account.code, account.code_expires_at) == ("proven", TODAY, "", None)
    assert account.external_id == sandbox.state.world.author_id(slug, AUTHOR)
    assert account.check_result == "The code stands in the bio."
    assert AuditEvent.objects.filter(action="account.proven", object_id=account.pk, actor=None).count() == 1
    assert [row.task["func"] for row in OrmQ.objects.order_by("id")][-1] == "reconciliation.tasks.look_again"


@pytest.mark.parametrize("slug", BY_CODE)
def test_a_code_in_a_posts_text_proves_its_author(slug, say, look, sandbox):
    account, post = say(slug), by_author(sandbox, slug)
    sandbox.state.notes.texts[slug, post.external_id] = f"New video! {account.code}"
    assert look(account, post.url).state == "proven"
    assert account.check_result == "The code stands in the post."


@pytest.mark.parametrize("slug", ["youtube", "x", "reddit"])
def test_a_code_in_somebody_elses_post_proves_nothing(slug, say, look, sandbox):
    account = say(slug)
    posts = (sandbox.state.world.post(slug, "even", index) for index in range(50))
    foreign = next(post for post in posts if post.author != AUTHOR)
    sandbox.state.notes.texts[slug, foreign.external_id] = account.code
    assert look(account, foreign.url).state == "said"
    assert "is not by @" in account.check_result


def test_an_author_is_told_by_id_and_not_by_a_title_that_anybody_can_choose():
    reading = accounts.PostReading("1", accounts.Availability.LIVE, author_id="UC-other", author_handle="ann")
    assert not accounts._is_by(reading, Profile("UC-ann", "ann"))


@pytest.mark.parametrize(
    ("bio", "result"),
    [
        ("", "The code does not stand in the bio of @rapidfork on X yet."),
        ("claimcheck-22222222", "The code does not stand in the bio of @rapidfork on X yet."),
    ],
)
def test_what_was_found_instead_is_said_in_words(bio, result, say, write_bio, look):
    write_bio(bio)
    account = look(say())
    assert (account.state, account.check_result, account.checked_at) == ("said", result, TODAY)


def test_a_handle_that_is_nobodys_is_said_to_be(say, look):
    assert look(say(name="nobody_at_all")).check_result == "Nobody on X is called @nobody_at_all."


def test_a_post_that_is_not_there_is_said_to_be(say, look):
    account = look(say(), "https://x.com/rapidfork/status/1234567890123456789")
    assert account.check_result == "The code is not in the bio, and X does not show us that post."


def test_an_account_of_the_affiliates_own_that_was_said_is_the_one_that_a_connection_proves(say, mila):
    said = say()
    connected("x", mila, author=AUTHOR)
    account = Account.objects.get()
    assert (account.pk, account.state, account.code) == (said.pk, "proven", "")


# --- Asking for it


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", "platform_mismatch"),
        ("https://t.co/abc", "link_needs_network"),
        ("https://x.com/rapidfork", "not_a_post"),
        ("http://169.254.169.254/", "host_not_supported"),
        ("javascript:alert(1)", "scheme_not_allowed"),
    ],
)
def test_a_link_that_names_no_post_there_is_refused(url, code, say):
    account = say()
    with pytest.raises(PostLinkError) as caught:
        accounts.request_check(account=account, post_url=url, by=account.affiliate.user)
    assert (caught.value.field, caught.value.code) == ("post_url", code)
    account.refresh_from_db()
    assert account.state == "said"


def test_a_code_that_has_expired_proves_nothing(say, write_bio, sandbox):
    account = say()
    write_bio(account.code)
    accounts.request_check(account=account, by=account.affiliate.user)
    with clock.at(TODAY + timedelta(days=7)):
        with pytest.raises(CodeExpiredError):
            accounts.request_check(account=account, by=account.affiliate.user)
        check_account(str(account.pk))
    account.refresh_from_db()
    assert account.proven_at is None
    assert sandbox.state.data_calls("x") == 0


def test_what_is_proven_needs_no_check(mila):
    connected("x", mila)
    with pytest.raises(AccountStateError):
        accounts.request_check(account=Account.objects.get(), by=mila.user)


def test_a_check_is_made_once_however_often_it_is_queued(say, look, sandbox):
    account = look(say())
    check_account(str(account.pk))
    check_account(str(account.pk))
    assert sandbox.state.data_calls("x") == 1


def test_a_check_of_an_account_that_was_withdrawn_is_no_error(say):
    account = say()
    accounts.request_check(account=account, by=account.affiliate.user)
    accounts.withdraw_account(account=account, by=account.affiliate.user)
    check_account(str(account.pk))


def test_an_affiliate_may_not_spend_everybodys_allowance(say, mila):
    account = say()
    for _ in range(accounts.MOST_CHECKS_AN_HOUR):
        accounts.request_check(account=account, by=mila.user)
    with pytest.raises(TooManyChecksError):
        accounts.request_check(account=account, by=mila.user)
    accounts.request_check(account=say(by=AffiliateFactory()), by=mila.user)
    with clock.at(TODAY + timedelta(hours=1)):
        accounts.request_check(account=account, by=mila.user)


def test_not_everything_is_said_to_be_ones_own(say):
    for number in range(accounts.MOST_UNPROVEN):
        say(name=f"name{number}")
    with pytest.raises(AccountStateError):
        say(name="one_more")
    assert say(name="name0").state == "said"


# --- While the platform is away


@pytest.mark.parametrize("fault", [FaultKind.SERVER_ERROR, FaultKind.RESET, FaultKind.RATE_LIMIT, FaultKind.MALFORMED])
def test_a_check_is_made_again_by_itself_while_the_platform_is_away(fault, say, write_bio, look, sandbox):
    account = say()
    write_bio(account.code)
    sandbox.state.set_fault("x", fault, 1, 60)
    look(account)
    assert (account.state, account.check_result) == (
        "checking",
        "X can't be asked just now. We try again by ourselves.",
    )
    assert TODAY + timedelta(minutes=1) <= account.check_due_at <= TODAY + timedelta(minutes=2)
    sandbox.state.reset()
    write_bio(account.code)
    OrmQ.objects.all().delete()
    check_waiting_accounts()
    assert not OrmQ.objects.exists()  # it is not due yet
    with clock.at(account.check_due_at):
        check_waiting_accounts()
        (queued,) = OrmQ.objects.all()
        assert (queued.task["func"], queued.task["args"]) == ("platforms.tasks.check_account", (str(account.pk),))
        check_account(*queued.task["args"])
    account.refresh_from_db()
    assert account.state == "proven"


def test_a_platform_that_is_away_counts_against_its_breaker_and_an_open_one_is_not_asked(say, look, sandbox):
    sandbox.state.set_fault("x", FaultKind.SERVER_ERROR, 1, 600)
    look(say())
    breaker = Breaker.objects.get(platform__slug="x", livemode=True)
    assert breaker.failures == 1
    Breaker.objects.filter(pk=breaker.pk).update(state="open", changed_at=TODAY, retry_at=TODAY + timedelta(minutes=9))
    calls = sandbox.state.data_calls("x")
    assert look(say(name="another")).state == "checking"
    assert sandbox.state.data_calls("x") == calls


def test_calls_are_paid_for_and_a_lane_that_is_parked_is_not_asked(say, look, sandbox):
    look(say("youtube"))
    assert lane_of("youtube").quota_used == 1
    park_connection(connection_id=lane_of("youtube").pk, reason="auth: keyInvalid")
    assert look(say("youtube", "another")).state == "checking"
    assert sandbox.state.data_calls("youtube") == 1


def test_a_worker_that_died_leaves_the_check_to_another(say, write_bio, monkeypatch):
    account = say()
    write_bio(account.code)
    accounts.request_check(account=account, by=account.affiliate.user)

    def die(*args):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(accounts, "_look", die)
        with pytest.raises(SystemExit):
            check_account(str(account.pk))
    with clock.at(TODAY + accounts.TRY_AGAIN):
        check_account(str(account.pk))
    account.refresh_from_db()
    assert account.state == "proven"


# --- Taking it back


def test_an_account_is_withdrawn_unless_a_connection_speaks_for_it(say, mila):
    accounts.withdraw_account(account=say(), by=mila.user)
    assert not Account.objects.exists()
    assert AuditEvent.objects.filter(action="account.withdrawn").count() == 1
    connected("x", mila)
    with pytest.raises(AccountStateError):
        accounts.withdraw_account(account=Account.objects.get(), by=mila.user)
