"""Why somebody may not come in, or not under this name."""

from config.errors import ConflictError, DomainError, NotAllowedError


class SignUpClosedError(NotAllowedError):
    """Strangers need an invitation here."""

    code = "sign_up_closed"


class InvitationError(DomainError):
    """No invitation that could be used."""

    code = "invitation_invalid"
    status = 400


class AlreadyTakenError(ConflictError):
    """Somebody else has this name, e-mail or Discord user."""

    code = "already_taken"


class DiscordCodeError(DomainError):
    """No code that links a Discord user, or one too many."""

    code = "discord_code_refused"


class LiveKeyRequiredError(NotAllowedError):
    """What holds for the live world too is not for a test key to do."""

    code = "live_key_required"
