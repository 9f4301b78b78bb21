"""What the queue may ask of this app. Tasks load by id, call a service, stop; each may run twice."""

from uuid import UUID

from reconciliation.services import (
    disputing,
    draining,
    examining,
    importing,
    jobs,
    merging,
    owning,
    plans,
    rollups,
    sealing,
    telling,
)


def drain_lane(connection_id: str) -> None:
    """Work off a lane; an empty id is the lane that asks no platform."""
    draining.drain(connection_id=UUID(connection_id) if connection_id else None)


def sweep() -> None:
    """Wake what the queue forgot, and tidy up."""
    jobs.sweep()
    telling.sweep()
    importing.sweep()
    rollups.compact()
    examining.sweep()
    disputing.sweep()


def examine() -> None:
    """Claims were judged: let the data-quality rules look at them."""
    examining.examine()


def tell_discord(interaction_id: str) -> None:
    """A claim that came by Discord has its verdict."""
    telling.tell(interaction_id=interaction_id)


def work_on_import(import_id: str) -> None:
    """A file is to be checked or imported."""
    importing.work(import_id=UUID(import_id))


def merge_twins(post_id: str) -> None:
    """A post turned out to be known by another id: let one of each content stand."""
    merging.merge_twins(post_id=UUID(post_id))


def sweep_twins() -> None:
    """Wake the merging that the queue forgot."""
    merging.sweep()


def look_again(affiliate_id: str, platform_id: str, mode: str) -> None:
    """An affiliate's connection or proof for a platform changed: say anew whose its posts there are, and look."""
    livemode = mode == "live"
    owning.recheck_ownership(affiliate_id=UUID(affiliate_id), platform_id=UUID(platform_id), livemode=livemode)
    jobs.look_again(affiliate_id=UUID(affiliate_id), platform_id=UUID(platform_id), livemode=livemode)


def look_at_link(link_id: str, status: str) -> None:
    """A sale through a tracking link was reported, or changed: look at the posts that the link serves."""
    jobs.look_at_link(link_id=UUID(link_id), is_reversal=status == "reversed")


def plan_anew(campaign_id: str, platform_id: str, after: str) -> None:
    """A campaign looks again by another plan on a platform, or to another day: plan its posts' looks as it says now."""
    plans.plan_anew(campaign_id=UUID(campaign_id), platform_id=UUID(platform_id), after=UUID(after) if after else None)


def seal() -> None:
    """Chain the receipts of days that are over; what takes long is gone on with by another task."""
    sealing.seal_for_a_while()
