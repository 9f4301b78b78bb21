"""What the queue may ask of this app. Tasks load by id, call a service, stop; each may run twice."""

from uuid import UUID

from reconciliation.services import draining, jobs


def drain_lane(connection_id: str) -> None:
    """Work off a lane; an empty id is the lane that asks no platform."""
    draining.drain(connection_id=UUID(connection_id) if connection_id else None)


def sweep() -> None:
    """Wake what the queue forgot."""
    jobs.sweep()
