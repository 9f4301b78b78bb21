"""Answering an interaction: once, whatever Discord sends how often."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from affiliates.models import Affiliate
from config import clock, vault
from config.errors import DomainError
from reconciliation.discord import commands, words
from reconciliation.discord.payload import CommandType, Interaction, Type
from reconciliation.discord.words import Answer
from reconciliation.errors import BusyError
from reconciliation.models import DiscordInteraction, ReconciliationLog
from reconciliation.services.submission import without_long_waits

log = structlog.get_logger(__name__)

TOKEN_LIFE = timedelta(minutes=15)
_Act = Callable[[Affiliate, Interaction, DiscordInteraction], Answer]
_COMMANDS: dict[tuple[int, str], _Act] = {
    (CommandType.SLASH, "submit"): commands.submit,
    (CommandType.SLASH, "status"): commands.status,
    (CommandType.SLASH, "history"): commands.history,
    (CommandType.MESSAGE, commands.SUBMIT_AS_POST): commands.submit_as_post,
}
_UNKNOWN = "This application does not know that. It may have changed: type / and choose anew."
_NOT_LINKED = (
    "You are not linked yet. Get a code on your Connections page at Claimcheck, or by its API, then send it here with "
    "/link."
)
_CLOSED = "Your account here is closed. Ask the company you publish for."


def answer(interaction: Interaction) -> Answer:
    """What Discord is answered. Nothing is remembered of what only looks: pings, and completions of what is typed."""
    if interaction.type == Type.PING:
        return words.PONG
    if interaction.type == Type.AUTOCOMPLETE:
        affiliate = _affiliate(interaction)
        return words.choices(commands.complete(affiliate, interaction) if affiliate and _is_open(affiliate) else [])
    try:
        return _answer_once(interaction)
    except BusyError as refusal:  # nothing is remembered, so that it may come again
        return words.message(refusal.message)


@without_long_waits()
def _answer_once(interaction: Interaction) -> Answer:
    """The row and what the interaction changes are committed together; whoever brings it again waits for that.

    Raises BusyError where that takes longer than Discord waits.
    """
    affiliate = _affiliate(interaction)
    now = clock.now()
    row, is_new = DiscordInteraction.objects.get_or_create(
        pk=interaction.id,
        defaults={
            "kind": _kind(interaction),
            "affiliate": affiliate,
            "received_at": now,
            "token_expires_at": now + TOKEN_LIFE,
        },
    )
    log.info("discord_interaction", interaction=row.pk, kind=row.kind, replayed=not is_new)
    if is_new:
        try:  # what is refused rolls back its own part; what it leaves on record (a wrong code, a second claim) stays
            row.answer = _carried_out(interaction, affiliate, row)
        except DomainError as refusal:
            row.answer = words.message(refusal.message)
        if interaction.token and _awaits_verdict(row):
            row.locked = vault.lock({"token": interaction.token})
        row.save()
    return dict(row.answer)


def _carried_out(interaction: Interaction, affiliate: Affiliate | None, row: DiscordInteraction) -> Answer:
    """Raises DomainError with a sentence for the one who asked."""
    command = (interaction.command_type, interaction.command) if interaction.type == Type.COMMAND else (0, "")
    if command == (CommandType.SLASH, "link"):
        return commands.link(interaction)
    act = _COMMANDS.get(command)
    if interaction.type == Type.MODAL and interaction.custom_id.startswith(commands.MODAL_PREFIX):
        act = commands.submit_modal
    if act is None:
        return words.message(_UNKNOWN)
    if affiliate is None:
        return words.message(_NOT_LINKED)
    if not _is_open(affiliate):
        return words.message(_CLOSED)
    return act(affiliate, interaction, row)


def _awaits_verdict(row: DiscordInteraction) -> bool:
    """Whether this is about a claim that has no last word yet."""
    counted = ReconciliationLog.objects.filter(affiliate_report=row.claim_id, next_look_at=None)
    return row.claim_id is not None and not counted.exists()


def _affiliate(interaction: Interaction) -> Affiliate | None:
    if not interaction.user_id:
        return None
    linked: Affiliate | None = Affiliate.objects.linked_to(interaction.user_id).select_related("user").first()
    return linked


def _is_open(affiliate: Affiliate) -> bool:
    return affiliate.is_active and affiliate.user.is_active


def _kind(interaction: Interaction) -> DiscordInteraction.Kind:
    if interaction.type == Type.COMMAND:
        is_message = interaction.command_type == CommandType.MESSAGE
        return DiscordInteraction.Kind.MESSAGE if is_message else DiscordInteraction.Kind.COMMAND
    return DiscordInteraction.Kind.MODAL if interaction.type == Type.MODAL else DiscordInteraction.Kind.OTHER
