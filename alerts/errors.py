"""Why an alert can't be changed."""

from config.errors import ConflictError, DomainError


class AlertStateError(ConflictError):
    """Somebody else decided meanwhile, or the alert's state does not admit this."""

    code = "alert_state"


class NoteRequiredError(DomainError):
    """A decision without a reason."""

    code = "note_required"
    status = 400
