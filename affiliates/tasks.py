"""What the queue may ask of this app."""

from django.core.management import call_command


def forget_expired_sessions() -> None:
    """Delete the sessions that have run out."""
    call_command("clearsessions")
