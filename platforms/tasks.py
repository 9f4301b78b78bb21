"""What the queue may ask of this app. Tasks load by id, call a service, stop; each may run twice."""

from uuid import UUID

from platforms.services import accounts, connections


def renew_connections() -> None:
    """Renew what would end if nobody called for long."""
    connections.renew_expiring()


def check_account(account_id: str) -> None:
    """Look for an account's code."""
    accounts.check_account(account_id=UUID(account_id))


def check_waiting_accounts() -> None:
    """Wake the checks of codes that wait for a platform to come back."""
    accounts.check_waiting()
