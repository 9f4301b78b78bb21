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


class IdempotencyKeyError(DomainError):
    """What is the matter with the key that a request was given by its sender."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="Idempotency-Key")


class KeyMalformedError(IdempotencyKeyError):
    """Not 1 to 255 visible ASCII characters."""

    code = "idempotency_key_malformed"
    status = 400


class KeyInUseError(IdempotencyKeyError):
    """The first request with this key is not answered yet."""

    code = "idempotency_key_in_use"
    status = 409
    retry_after_s = 1


class KeyReusedError(IdempotencyKeyError):
    """It stands for another request."""

    code = "idempotency_key_reused"


class ShownOnceError(IdempotencyKeyError):
    """It was done, and the answer, which held a secret, is kept nowhere."""

    code = "shown_once"
    status = 409


class LiveKeyRequiredError(NotAllowedError):
    """What holds for the live world too is not for a test key to do."""

    code = "live_key_required"
