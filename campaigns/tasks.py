"""What the queue may ask of this app. Tasks load by id, call a service, stop; each may run twice."""

from campaigns.tracking import clicks


def forget_click_salts() -> None:
    """Delete what visitors were hashed with in windows that are over."""
    clicks.forget_salts()
