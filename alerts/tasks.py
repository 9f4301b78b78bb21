"""What the queue may ask of this app."""

from uuid import UUID

from alerts import services


def evaluate_verdicts(*verdict_ids: str) -> None:
    """Look at new counted verdicts and open what a person must see."""
    services.open_for_verdicts(verdict_ids=[UUID(pk) for pk in verdict_ids])


def follow_decisions(*verdict_ids: str) -> None:
    """Somebody decided what these verdicts come to: open, close or change their alerts."""
    services.follow_decisions(verdict_ids=[UUID(pk) for pk in verdict_ids])


def sweep() -> None:
    """Open what the queue forgot."""
    services.open_forgotten()


def evaluate_refused_claim(event_id: str) -> None:
    """Open an alert for a recorded second claimant."""
    services.open_for_refused_claim(event_id=UUID(event_id))
