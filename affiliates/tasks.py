"""What the queue may ask of this app."""

from django.core.management import call_command

from affiliates import services


def forget_expired_sessions() -> None:
    """Delete the sessions that have run out."""
    call_command("clearsessions")


def forget_idempotency_keys() -> None:
    """Delete the keys of requests that have run out."""
    services.forget_idempotency_keys()
