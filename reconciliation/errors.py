"""Why a claim, a run or a change of rules is refused."""

from campaigns.models import Post
from config.errors import ConflictError, DomainError


class ClaimRefusedError(DomainError):
    """A claim that can't be taken as it stands. `code` says why, `field` which input it is about."""

    code = "claim_refused"


class SecondClaimantError(ConflictError):
    """Somebody else claims this content already. By whom is not said to the one who asks."""

    code = "already_claimed"

    def __init__(self, post: Post) -> None:
        super().__init__("This post is claimed already.", field="url")
        self.post = post


class BusyError(DomainError):
    """Somebody else's work on the same rows takes longer than a caller should wait."""

    code = "busy"
    status = 503
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("Somebody else is at work on the same rows: try again in a few seconds.")


class RunRefusedError(DomainError):
    """A run that would look at nothing, or at too much."""

    code = "run_refused"


class RunOverError(ConflictError):
    """A run that has nothing left to cancel."""

    code = "run_over"

    def __init__(self) -> None:
        super().__init__("This run is over: there is nothing left to cancel.")


class ImportRefusedError(DomainError):
    """A file that can't be imported in the way that was asked."""

    code = "import_refused"


class RulesRefusedError(DomainError):
    """Thresholds that make no sense."""

    code = "invalid_rules"
    status = 400


class WithdrawalRefusedError(ConflictError):
    """A claim that was withdrawn already."""

    code = "withdrawn_already"

    def __init__(self) -> None:
        super().__init__("This claim is withdrawn already.")


class DisputeRefusedError(DomainError):
    """A verdict that can't be disputed, or not any more."""

    code = "dispute_refused"


class DisputeOverError(ConflictError):
    """A dispute that is decided, lapsed or withdrawn."""

    code = "dispute_over"

    def __init__(self) -> None:
        super().__init__("This dispute is over.")


class DecisionRefusedError(DomainError):
    """A decision on a verdict that can't be taken as it stands."""

    code = "decision_refused"


class NoteRefusedError(DecisionRefusedError):
    """A decision without its reason in words, or with too many of them."""

    code = "note_required"
    status = 400
