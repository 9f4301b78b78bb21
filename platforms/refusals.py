"""Why an account can't be somebody's, or a connection can't be made."""

from config.errors import ConflictError, DomainError


class AccountTakenError(ConflictError):
    """Another affiliate has proven this account. By whom is not said."""

    code = "account_taken"


class AccountStateError(ConflictError):
    """The account's state does not admit this."""

    code = "account_state"


class CodeExpiredError(ConflictError):
    """The code is too old to prove anything."""

    code = "code_expired"


class TooManyChecksError(DomainError):
    """More checks than one affiliate may ask for in an hour."""

    code = "too_many_checks"
    status = 429


class NotProvableError(DomainError):
    """The platform shows nobody's bio or posts to us: only a connection proves an account there."""

    code = "connection_needed"


class PostLinkError(DomainError):
    """The link names no post of this platform. `code` says why."""

    code = "not_a_post"


class NotConnectableError(DomainError):
    """This platform takes no connections, or not in this way."""

    code = "not_connectable"


class TokenRefusedError(DomainError):
    """The platform does not accept the token."""

    code = "token_refused"


class GrantRefusedError(DomainError):
    """The platform gave nothing for what the person brought back, or too little."""

    code = "grant_refused"


class PlatformAwayError(DomainError):
    """The platform can't be asked just now."""

    code = "platform_unavailable"
    status = 503
