"""Whose account is whose: proven by a connection, else by a one-time code where only the owner can write.

The code goes into the account's bio or the text of one of its posts, and a worker looks for it there with the
application's own credential. Platforms that show an application neither have connections only.
"""

import re
import secrets
from datetime import timedelta
from uuid import UUID

import structlog
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Lower

from affiliates.models import Affiliate, User
from affiliates.services import audit
from config import clock
from config.queue import enqueue
from platforms.adapters import ADAPTER_CLASSES, adapter_of
from platforms.adapters.base import Adapter, Profile
from platforms.errors import ErrorKind, PlatformError
from platforms.links import NotAPost, PostLink, identify
from platforms.metrics import Availability, PostReading
from platforms.models import Account, Connection, Platform, as_handle
from platforms.refusals import (
    AccountStateError,
    AccountTakenError,
    CodeExpiredError,
    NotProvableError,
    PostLinkError,
    TooManyChecksError,
)
from platforms.services.lanes import Calls, hold_connection
from platforms.transport import shared_http

log = structlog.get_logger(__name__)

CODE_LIFE = timedelta(days=7)
MOST_UNPROVEN = 20
MOST_CHECKS_AN_HOUR = 30
"""For one affiliate: checks are paid for out of the application's own allowance, which is everybody's."""
TRY_AGAIN = timedelta(minutes=1)
"""How long a check that came to nothing waits, unless the platform names a time; and how long a worker may take."""
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # without those that look like others
_HANDLE = re.compile(r"[\w.·-]{1,100}")


def takes_codes(platform: Platform) -> bool:
    """Whether a code can be looked for there without a connection."""
    return ADAPTER_CLASSES[platform.slug].reads_profiles


# --- Saying and proving


@transaction.atomic
def claim_account(*, affiliate: Affiliate, platform: Platform, livemode: bool, handle: str, by: User) -> Account:
    """Note that an affiliate says a handle is theirs, with a code that proves it. Repeated, it gives a fresh code once
    the old one has expired.

    Raises NotProvableError for a platform or a handle that no code can prove, AccountTakenError.
    """
    name = as_handle(handle)
    if not _HANDLE.fullmatch(name):
        raise NotProvableError("A handle is one word, such as @ann.", field="handle", code="malformed_handle")
    if not takes_codes(platform):
        raise NotProvableError(
            f"{platform} shows bios and posts to connected owners only: connect the account instead.", field="platform"
        )
    others = Account.objects.proven().exclude(affiliate=affiliate)
    if others.filter(platform=platform, livemode=livemode, handle=name).exists():
        raise _taken(platform)
    mine = Account.objects.filter(affiliate=affiliate, livemode=livemode)
    known = mine.filter(platform=platform, handle=name).exists()
    if not known and mine.filter(proven_at=None).count() >= MOST_UNPROVEN:
        raise AccountStateError(
            f"{MOST_UNPROVEN} accounts of yours wait for their proof: prove or withdraw some first."
        )
    account, _ = Account.objects.get_or_create(
        affiliate=affiliate, platform=platform, livemode=livemode, handle=name, defaults=_fresh_code()
    )
    if account.proven_at is None and not account.has_standing_code:
        Account.objects.filter(pk=account.pk).update(**_fresh_code())
        account.refresh_from_db()
    audit(actor=by, action="account.claimed", row=account, changes={"platform": platform.slug})
    return account


@transaction.atomic
def request_check(*, account: Account, post_url: str = "", by: User) -> Account:
    """Have a worker look for the code, in the bio and in the post that is named. Harmless to repeat.

    Raises AccountStateError for an account that is proven, CodeExpiredError, PostLinkError, TooManyChecksError.
    """
    if account.proven_at is not None:
        raise AccountStateError("This account is proven already.")
    if not account.has_standing_code:
        raise CodeExpiredError("This code has expired. Ask for a new one, and put that in its place.")
    post_id = _post_id(post_url, account.platform) if post_url else ""
    _count_check(account)
    # A check that waits because the platform asked for it goes on waiting.
    waits = account.check_due_at is not None and account.check_due_at > clock.now()
    due_at = account.check_due_at if waits else clock.now()
    Account.objects.filter(pk=account.pk, proven_at=None).update(
        check_due_at=due_at, check_post_id=post_id, check_result=""
    )
    audit(actor=by, action="account.check_requested", row=account)
    enqueue("platforms.tasks.check_account", str(account.pk))
    account.refresh_from_db()
    return account


@transaction.atomic
def withdraw_account(*, account: Account, by: User) -> None:
    """Take back that an account is one's own. Raises AccountStateError while a connection says that it is."""
    held = Account.objects.select_for_update(of=("self",)).select_related("platform", "affiliate").get(pk=account.pk)
    if held.connection_id is not None:
        raise AccountStateError(f"This account is connected: disconnect {held.platform} first.")
    audit(actor=by, action="account.withdrawn", row=held, changes={"platform": held.platform.slug})
    if held.proven_at is not None:
        _look_again(held)
    held.delete()


def prove_account(
    *, affiliate: Affiliate, platform: Platform, livemode: bool, profile: Profile, connection: Connection | None = None
) -> Account:
    """Note that an account is an affiliate's for certain, in the caller's transaction. Raises AccountTakenError.

    Ids decide, since handles change hands: a handle that the platform now gives to this account is taken from an
    account that had it before.
    """
    external_id = profile.external_id.strip()[:120]
    handle = as_handle(profile.handle) or as_handle(external_id)
    there = Account.objects.filter(platform=platform, livemode=livemode).order_by("pk")
    mine = there.filter(affiliate=affiliate)
    same = Q(external_id=external_id) | Q(external_id=None, handle=handle)
    if not handle or there.proven().exclude(affiliate=affiliate).filter(same).exists():
        raise _taken(platform)
    named_so = there.filter(handle=handle).exclude(external_id=external_id).exclude(external_id=None)
    named_so.filter(Q(affiliate=affiliate) | Q(proven_at__isnull=False)).update(handle=Lower("external_id"))
    account = mine.filter(external_id=external_id).first() or mine.filter(handle=handle).first()
    account = account or Account(affiliate=affiliate, platform=platform, livemode=livemode)
    mine.filter(handle=handle, proven_at=None).exclude(pk=account.pk).delete()
    account.handle, account.external_id, account.followers = handle, external_id, profile.followers
    account.proven_at = account.proven_at or clock.now()
    account.connection = connection or account.connection
    account.code, account.code_expires_at, account.check_due_at, account.check_post_id = "", None, None, ""
    account.check_result = ""
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as error:  # somebody else proved it at this very moment
        raise _taken(platform) from error
    return account


# --- Looking for the code


def check_account(*, account_id: UUID) -> None:
    """Look for an account's code, once. When the platform is away, the check stays due and is made later."""
    now = clock.now()
    account = Account.objects.to_check(now).select_related("platform", "affiliate").filter(pk=account_id).first()
    if account is None:
        return
    # Whoever moves the moment on has the check; should they die, it is due again.
    mine = Account.objects.filter(pk=account_id, check_due_at=account.check_due_at)
    if not mine.update(check_due_at=now + TRY_AGAIN):
        return
    lane = Connection.objects.own().select_related("platform").get(platform=account.platform, livemode=account.livemode)
    if Connection.objects.may_call(now).filter(pk=lane.pk).exists():
        try:
            with Calls(lane) as calls:
                profile, result = _look(account, lane, calls)
        except PlatformError as error:
            _after_platform_error(account, lane, error)
        else:
            _conclude(account, profile, result)
    else:
        _note(account, f"{account.platform} can't be asked just now. We try again by ourselves.")


def check_waiting() -> int:
    """Wake the checks that are due and that nobody has made; returns how many."""
    waiting = list(Account.objects.to_check(clock.now()).values_list("pk", flat=True)[:200])
    for pk in waiting:
        enqueue("platforms.tasks.check_account", str(pk))
    return len(waiting)


def _look(account: Account, lane: Connection, calls: Calls) -> tuple[Profile | None, str]:
    """Whose account it is if the code was found there, and what was found in words. Raises PlatformError."""
    adapter, platform = adapter_of(lane), account.platform
    profile = adapter.profile(shared_http, account.handle, spend=calls.pay)
    if profile is None:
        return None, f"Nobody on {platform} is called @{account.handle}."
    if account.code in (profile.bio or "").lower():
        return profile, "The code stands in the bio."
    if not account.check_post_id:
        return None, f"The code does not stand in the bio of @{account.handle} on {platform} yet."
    reading = _post(adapter, account, calls)
    if reading is None or reading.availability != Availability.LIVE:
        return None, f"The code is not in the bio, and {platform} does not show us that post."
    if not _is_by(reading, profile):
        return None, f"The code is not in the bio, and that post is not by @{account.handle}."
    if account.code in (reading.text or "").lower():
        return profile, "The code stands in the post."
    return None, "The code stands neither in the bio nor in the text of that post yet."


def _post(adapter: Adapter, account: Account, calls: Calls) -> PostReading | None:
    """The post that may hold the code. Where its id has to be found first, among its author's posts."""
    post_id = account.check_post_id
    if adapter.discovers:
        return adapter.discover(shared_http, account.handle, [post_id], spend=calls.pay).get(post_id)
    return adapter.fetch(shared_http, [post_id], spend=calls.pay).readings.get(post_id)


def _is_by(reading: PostReading, profile: Profile) -> bool:
    """By ids where both are told: what a platform calls the author's handle may be a title that anybody can choose."""
    if reading.author_id:
        return reading.author_id == profile.external_id
    return as_handle(reading.author_handle) == as_handle(profile.handle)


def _after_platform_error(account: Account, lane: Connection, error: PlatformError) -> None:
    """The platform is away: it is asked again. It refuses: asking again does not help, and somebody is told."""
    log.warning("account_check_failed", account=str(account.pk), kind=error.kind, code=error.code)
    if error.retry_after_s:
        hold_connection(connection_id=lane.pk, wait_s=error.retry_after_s)
    result = f"{account.platform} can't be asked just now. We try again by ourselves."
    if error.retryable:
        wait = max(TRY_AGAIN, timedelta(seconds=error.retry_after_s or 0))
        _note(account, result, check_due_at=clock.now() + wait)
    elif error.kind in (ErrorKind.AUTH, ErrorKind.QUOTA):
        _note(account, result)  # our own credential's trouble: staff mend it, and the check is made then
    else:
        _note(account, f"{account.platform} does not let us look at this account ({error.code}).", check_due_at=None)


def _conclude(account: Account, profile: Profile | None, result: str) -> None:
    if profile is None:
        _note(account, result, check_due_at=None)
        return
    try:
        with transaction.atomic():
            current = Account.objects.select_for_update(of=("self",)).filter(pk=account.pk, code=account.code).first()
            if current is None or current.proven_at is not None:
                return  # withdrawn, or proven in another way meanwhile
            proven = prove_account(
                affiliate=account.affiliate, platform=account.platform, livemode=account.livemode, profile=profile
            )
            Account.objects.filter(pk=proven.pk).update(check_result=result, checked_at=clock.now())
            audit(actor=None, action="account.proven", row=proven, changes={"platform": account.platform.slug})
            _look_again(proven)
    except AccountTakenError as error:
        _note(account, error.message, check_due_at=None)


def _note(account: Account, result: str, **changes: object) -> None:
    Account.objects.filter(pk=account.pk, proven_at=None).update(
        check_result=result[:200], checked_at=clock.now(), **changes
    )


# --- Codes and links


def _fresh_code() -> dict[str, object]:
    code = "claimcheck-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return {"code": code, "code_expires_at": clock.now() + CODE_LIFE, "check_due_at": None, "check_result": ""}


def _count_check(account: Account) -> None:
    """Count it among the affiliate's in this hour. Raises TooManyChecksError."""
    key = f"account-checks-{account.affiliate_id}-{clock.now():%Y%m%d%H}"
    cache.add(key, 0, timeout=2 * 3600)
    if cache.incr(key) > MOST_CHECKS_AN_HOUR:
        raise TooManyChecksError(f"At most {MOST_CHECKS_AN_HOUR} checks an hour. Try again in the next one.")


def _post_id(post_url: str, platform: Platform) -> str:
    link = identify(post_url)
    if isinstance(link, NotAPost):
        raise PostLinkError(link.reason, field="post_url", code=link.code)
    if link.platform != platform.slug:
        raise PostLinkError(f"This link is not one of {platform}.", field="post_url", code="platform_mismatch")
    if not isinstance(link, PostLink):
        raise PostLinkError(
            "A short link has to be opened first: send the link of the post itself.",
            field="post_url",
            code="link_needs_network",
        )
    return link.external_id


def _taken(platform: Platform) -> AccountTakenError:
    return AccountTakenError(f"Somebody else has proven that this account on {platform} is theirs.")


def _look_again(account: Account) -> None:
    mode = "live" if account.livemode else "test"
    enqueue("reconciliation.tasks.look_again", str(account.affiliate_id), str(account.platform_id), mode)
