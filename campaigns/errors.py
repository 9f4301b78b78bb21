"""Why a campaign, its state or its platforms can't be as asked."""

from config.errors import ConflictError, DomainError


class UnknownReferenceError(DomainError):
    """An advertiser, brand or market that is not there, or not the caller's to use. Which of the two is not said."""

    code = "unknown"
    status = 422


class CampaignRefusedError(DomainError):
    """Details that make no sense together."""

    code = "invalid"
    status = 400


class DuplicateNameError(DomainError):
    """The system-made name, brand to title, is another campaign's."""

    code = "duplicate_name"
    status = 400


class CampaignStateError(ConflictError):
    """The campaign's state, or what hangs on it, does not admit this."""

    code = "campaign_state"


class LinkRefusedError(DomainError):
    """A tracking link that can't be made as asked."""

    code = "link_refused"
    status = 422


class PostbackError(DomainError):
    """A postback that can't be taken as it stands."""

    code = "postback_refused"
    status = 422


class UnsignedError(PostbackError):
    """The sender did not prove that it is the campaign's shop."""

    code = "signature_refused"
    status = 401


class DifferentConversionError(PostbackError):
    """The transaction is known, and is another than this says."""

    code = "conversion_differs"
    status = 409
