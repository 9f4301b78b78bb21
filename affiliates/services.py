"""What can happen to users, keys and affiliates."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models import Model

from affiliates import keys
from affiliates.errors import AlreadyTakenError, InvitationError, SignUpClosedError
from affiliates.models import Affiliate, ApiKey, AuditEvent, IdempotencyKey, Invitation, User, normalise_email
from config import clock
from config.middleware import current_request_id

INVITATION_LIFE = timedelta(days=14)
FORGET_AT_ONCE = 10_000
"""Idempotency keys that one statement deletes."""


def audit(*, actor: User | None, action: str, row: Model, changes: dict[str, Any] | None = None) -> AuditEvent:
    """Record who did what to which row, in the caller's transaction. `changes` holds figures and ids only."""
    return AuditEvent.objects.create(
        actor=actor,
        action=action,
        object_type=row._meta.label_lower,
        object_id=row.pk,
        changes=changes or {},
        request_id=current_request_id(),
    )


@transaction.atomic
def create_key(
    *, user: User, by: User | None, name: str = "", scopes: Sequence[str] = keys.AFFILIATE_SCOPES, livemode: bool = True
) -> tuple[ApiKey, str]:
    """Make a key for `user`. The second value is the key itself: it is shown once and kept nowhere."""
    fresh = keys.generate(livemode=livemode)
    key = ApiKey.objects.create(
        user=user,
        name=name,
        prefix=fresh.prefix,
        digest=fresh.digest,
        last4=fresh.last4,
        scopes=list(scopes),
        livemode=livemode,
    )
    audit(actor=by, action="api_key.created", row=key, changes={"scopes": list(scopes), "livemode": livemode})
    return key, fresh.text


@transaction.atomic
def revoke_key(*, key: ApiKey, by: User) -> None:
    """The key opens nothing from now on. Harmless to repeat."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now()):
        audit(actor=by, action="api_key.revoked", row=key)


@transaction.atomic
def invite(*, by: User) -> tuple[Invitation, str]:
    """Make a one-time invitation to sign up. The second value is its code, shown once."""
    code = keys.generate(livemode=True).digest
    invitation = Invitation.objects.create(
        digest=keys.digest(code), created_by=by, expires_at=clock.now() + INVITATION_LIFE
    )
    audit(actor=by, action="invitation.created", row=invitation)
    return invitation, code


@transaction.atomic
def sign_up(
    *,
    name: str,
    email: str,
    by: User | AnonymousUser,
    open_to_all: bool,
    invitation: str = "",
    password: str | None = None,
    discord_user_id: str | None = None,
) -> tuple[Affiliate, str]:
    """Make an affiliate with its user and first key; the second value is the key, shown once.

    Raises SignUpClosedError for a stranger where neither OPEN_SIGNUP nor an invitation lets them in, InvitationError
    for a code that is unknown, used or late, AlreadyTakenError for a name, e-mail or Discord user that is taken.
    """
    actor = by if isinstance(by, User) else None
    if invitation:
        _accept_invitation(invitation)
    elif not (open_to_all or (actor and actor.is_staff)):
        raise SignUpClosedError("Sign-up is by invitation: ask the company you publish for.", field="invitation")
    affiliate = create_affiliate(name=name, email=email, by=actor, password=password, discord_user_id=discord_user_id)
    _, text = create_key(user=affiliate.user, by=actor or affiliate.user, name="First key")
    return affiliate, text


@transaction.atomic
def create_affiliate(
    *, name: str, email: str, by: User | None, password: str | None = None, discord_user_id: str | None = None
) -> Affiliate:
    """Make an affiliate with its user, and no key. Raises AlreadyTakenError for a name, e-mail or Discord user that is
    taken."""
    taken = {
        "email": User.objects.filter(email=normalise_email(email)),
        "name": Affiliate.objects.filter(name__iexact=name),
        "discord_user_id": Affiliate.objects.filter(discord_user_id=discord_user_id or None),
    }
    for field, rows in taken.items():
        if rows.exists() and (field != "discord_user_id" or discord_user_id):
            raise AlreadyTakenError("This is taken already.", field=field)
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
            affiliate = Affiliate.objects.create(user=user, name=name, discord_user_id=discord_user_id or None)
    except IntegrityError as error:  # somebody else signed up with it between the look and the write
        raise AlreadyTakenError("The name or e-mail is taken already.", field="name") from error
    audit(actor=by, action="affiliate.signed_up", row=affiliate)
    return affiliate


@transaction.atomic
def update_affiliate(*, affiliate: Affiliate, by: User, **changes: Any) -> Affiliate:
    """Change an affiliate's own details: `name`, `discord_user_id`. Raises AlreadyTakenError."""
    if not changes:
        return affiliate
    for field, value in changes.items():
        if (
            value
            and Affiliate.objects.exclude(pk=affiliate.pk)
            .filter(**{"name__iexact" if field == "name" else field: value})
            .exists()
        ):
            raise AlreadyTakenError("This is taken already.", field=field)
        if field == "discord_user_id" and (value or None) != affiliate.discord_user_id:
            affiliate.discord_linked_at = None  # what is written down nobody has shown yet
        setattr(affiliate, field, value or None if field == "discord_user_id" else value)
    try:
        with transaction.atomic():
            affiliate.save(update_fields=[*changes, "discord_linked_at"])
    except IntegrityError as error:
        raise AlreadyTakenError("This is taken already.", field=next(iter(changes))) from error
    audit(actor=by, action="affiliate.updated", row=affiliate, changes={"fields": sorted(changes)})
    return affiliate


def forget_idempotency_keys() -> int:
    """Delete the keys that have run out, some at a time; returns how many. What is sent again under one is new."""
    old = IdempotencyKey.objects.run_out()
    forgotten = 0
    while batch := old.filter(pk__in=old.order_by("created_at").values("pk")[:FORGET_AT_ONCE]).delete()[0]:
        forgotten += batch
    return forgotten


def _accept_invitation(code: str) -> None:
    """Use up an invitation; of two who try at once, one wins."""
    used = Invitation.objects.filter(digest=keys.digest(code), accepted_at=None, expires_at__gt=clock.now()).update(
        accepted_at=clock.now()
    )
    if not used:
        raise InvitationError("This invitation is unknown, used already, or too old.", field="invitation")
