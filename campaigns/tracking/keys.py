"""Keys that shops sign their postbacks with: made, shown once, locked at rest, changed over, revoked."""

import secrets

from django.db import transaction

from affiliates.models import User
from affiliates.services import audit
from campaigns.errors import CampaignStateError
from campaigns.models import Campaign, PostbackKey
from config import clock, vault

MAX_LIVE_KEYS = 2
"""The one in use, and the one that takes its place."""


@transaction.atomic
def create_postback_key(*, campaign: Campaign, by: User) -> tuple[PostbackKey, str]:
    """Make a key; the second value is its secret, shown once. Raises CampaignStateError where two are live already."""
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    if PostbackKey.objects.filter(campaign=campaign, revoked_at=None).count() >= MAX_LIVE_KEYS:
        raise CampaignStateError(f"{MAX_LIVE_KEYS} keys are live already: revoke one first.", code="too_many_keys")
    secret = f"ckp_{secrets.token_hex(32)}"
    key = PostbackKey.objects.create(
        campaign=campaign, prefix=secret[:8], last4=secret[-4:], locked=vault.lock({"secret": secret})
    )
    audit(actor=by, action="postback_key.created", row=key, changes={"campaign": str(campaign.pk)})
    return key, secret


@transaction.atomic
def revoke_postback_key(*, key: PostbackKey, by: User) -> None:
    """Nothing that is signed with it is taken from now on. Harmless to repeat."""
    if PostbackKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now()):
        audit(actor=by, action="postback_key.revoked", row=key, changes={"campaign": str(key.campaign_id)})


def live_secrets(campaign: Campaign) -> list[str]:
    """What a postback to this campaign may be signed with."""
    live = PostbackKey.objects.filter(campaign=campaign, revoked_at=None).values_list("locked", flat=True)
    return [vault.unlock(locked)["secret"] for locked in live]
