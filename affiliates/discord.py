"""Linking: who an affiliate is on Discord. The affiliate makes a code here and shows it to our application there.

A code has 80 random bits, works once and within 15 minutes, and making another one voids it. Only its digest is kept.
"""

import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db import connection as database

from affiliates.errors import DiscordCodeError
from affiliates.keys import digest
from affiliates.models import Affiliate, DiscordCode, DiscordGuesses, User
from affiliates.services import audit
from config import clock

CODE_LIFE = timedelta(minutes=15)
MAX_WRONG_CODES = 10
"""So many wrong codes of one Discord user within GUESSES_FORGOTTEN_AFTER; then even a right one is refused."""
GUESSES_FORGOTTEN_AFTER = timedelta(minutes=15)
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_GROUPS, _GROUP_CHARS = 4, 4


@transaction.atomic
def make_code(*, affiliate: Affiliate, by: User) -> tuple[DiscordCode, str]:
    """A fresh code in place of any that waits. The second value is the code itself, shown once."""
    Affiliate.objects.select_for_update().get(pk=affiliate.pk)  # of two made at once, one stays
    text = "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS))
    DiscordCode.objects.filter(affiliate=affiliate, used_at=None).delete()
    code = DiscordCode.objects.create(affiliate=affiliate, digest=_digest(text), expires_at=clock.now() + CODE_LIFE)
    audit(actor=by, action="discord_code.created", row=affiliate)
    return code, text


def link(*, discord_user_id: str, code: str) -> tuple[Affiliate, bool]:
    """The Discord user has shown a code: its affiliate, and whether it was linked to another Discord user before.

    A fresh code speaks for its affiliate, so it replaces the Discord user of before; and it speaks for the Discord
    user, so it takes the id from an affiliate that had merely written it down. Who has *shown* to be another affiliate
    stays that one. Raises DiscordCodeError; the guess that was wrong is counted all the same if the caller's own
    transaction is committed.
    """
    _count_guess(discord_user_id)
    try:
        with transaction.atomic():
            affiliate, replaced = _link(discord_user_id, code)
    except IntegrityError as error:  # somebody wrote down this Discord user as theirs at this very moment
        raise DiscordCodeError("Something came in between. Show the code again.") from error
    DiscordGuesses.objects.filter(pk=discord_user_id).delete()
    return affiliate, replaced


def _link(discord_user_id: str, code: str) -> tuple[Affiliate, bool]:
    now = clock.now()
    found = DiscordCode.objects.select_for_update().filter(digest=_digest(code)).first()
    if found is None:
        raise DiscordCodeError("This code is not known. Make a fresh one on your Connections page.")
    if found.used_at:
        raise DiscordCodeError("This code was used already. Make a fresh one on your Connections page.")
    if found.expires_at <= now:
        raise DiscordCodeError("This code is older than 15 minutes. Make a fresh one on your Connections page.")
    affiliate = Affiliate.objects.select_for_update(of=("self",)).select_related("user").get(pk=found.affiliate_id)
    if not (affiliate.is_active and affiliate.user.is_active):
        raise DiscordCodeError("This affiliate's account is closed. Ask the company you publish for.")
    _free(discord_user_id, affiliate)
    before, was_linked = affiliate.discord_user_id, affiliate.discord_linked_at is not None
    found.used_at = affiliate.discord_linked_at = now
    affiliate.discord_user_id = discord_user_id
    found.save(update_fields=["used_at"])
    affiliate.save(update_fields=["discord_user_id", "discord_linked_at"])
    replaced = was_linked and before != discord_user_id
    audit(actor=affiliate.user, action="affiliate.discord_linked", row=affiliate, changes={"replaced": replaced})
    return affiliate, replaced


def _free(discord_user_id: str, affiliate: Affiliate) -> None:
    """Nobody else has this Discord user. Raises DiscordCodeError where somebody has shown that they do."""
    others = Affiliate.objects.exclude(pk=affiliate.pk)
    if others.linked_to(discord_user_id).exists():
        raise DiscordCodeError(
            "You are linked as another affiliate. Take the Discord user off that one first, on its Connections page."
        )
    for other in others.filter(discord_user_id=discord_user_id):
        Affiliate.objects.filter(pk=other.pk, discord_linked_at=None).update(discord_user_id=None)
        audit(actor=affiliate.user, action="affiliate.discord_user_taken_over", row=other)


@transaction.atomic
def unlink(*, affiliate: Affiliate, by: User) -> None:
    """Nobody on Discord is this affiliate any more. Harmless to repeat."""
    linked = Affiliate.objects.filter(pk=affiliate.pk, discord_user_id__isnull=False)
    if linked.update(discord_user_id=None, discord_linked_at=None):
        audit(actor=by, action="affiliate.discord_unlinked", row=affiliate)
    affiliate.discord_user_id = affiliate.discord_linked_at = None


def _count_guess(discord_user_id: str) -> None:
    """Count before looking, in one statement that holds the row: guesses that come together are all counted."""
    now = clock.now()
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO affiliates_discordguesses AS row (discord_user_id, wrong, since) VALUES (%(user)s, 1, %(now)s)
            ON CONFLICT (discord_user_id) DO UPDATE SET
                wrong = CASE WHEN row.since < %(old)s THEN 1 ELSE LEAST(row.wrong + 1, %(most)s) END,
                since = CASE WHEN row.since < %(old)s THEN EXCLUDED.since ELSE row.since END
            RETURNING wrong
            """,
            {"user": discord_user_id, "now": now, "old": now - GUESSES_FORGOTTEN_AFTER, "most": MAX_WRONG_CODES + 1},
        )
        (wrong,) = cursor.fetchone()
    if wrong > MAX_WRONG_CODES:
        raise DiscordCodeError("Too many wrong codes. Wait 15 minutes, then make a fresh one.")


def _digest(code: str) -> str:
    """Of the code as it was meant: in any case, with or without its dashes and blanks."""
    return digest("".join(code.split()).replace("-", "").upper())
