"""What a use case raises when it says no. The API's handler and the forms turn it into an answer."""


class DomainError(Exception):
    """A refusal that its sender can understand and act upon.

    `code` is stable and documented, `message` a sentence, `field` the input it is about (None: the whole request),
    `status` the HTTP status an endpoint answers with, `retry_after_s` when it makes sense to ask again.
    """

    code = "refused"
    status = 422
    retry_after_s: int | None = None

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code:
            self.code = code


class NotAllowedError(DomainError):
    """The caller is known, and this is not theirs to do."""

    code = "not_allowed"
    status = 403


class ConflictError(DomainError):
    """True a moment ago, or true for somebody else: the present state does not admit the request."""

    code = "conflict"
    status = 409
