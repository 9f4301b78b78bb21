"""Rows for staff's pages: posts whose claims have their verdicts, by the real services and an answer made here."""

from dataclasses import replace
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client

from affiliates.models import User
from alerts import services as alert_services
from alerts.models import Alert
from campaigns.models import Campaign, Post
from config import clock
from platforms.metrics import Availability, PostReading, UnifiedMetrics
from platforms.models import Connection, Platform
from reconciliation.comparison import Figures
from reconciliation.models import ReconciliationLog
from reconciliation.services import jobs, settling, submission
from tests.factories import AffiliateFactory, CampaignFactory, UserFactory

COUNTED_VIEWS = 10_000


def lane() -> Connection:
    """The application's own live connection for YouTube."""
    return Connection.objects.get(platform__slug="youtube", affiliate=None, livemode=True)


def claimed_posts(count: int, *, views: int = 20_000, campaign: Campaign | None = None) -> list[Post]:
    """Posts on YouTube that are claimed, each by an affiliate of its own, and not looked at yet."""
    campaign = campaign or CampaignFactory()
    first = Post.objects.count()
    return [
        submission.submit(
            affiliate=AffiliateFactory(),
            campaign=campaign,
            platform=Platform.objects.get(slug="youtube"),
            url=f"https://youtu.be/post{first + n:07d}",
            figures=Figures(views=views, clicks=10),
            title=f"Post {n}",
        ).post
        for n in range(count)
    ]


def judged_posts(count: int, **details: Any) -> list[Post]:
    """Such posts with their verdicts: YouTube counted COUNTED_VIEWS. Their alerts are open."""
    posts = claimed_posts(count, **details)
    batch = jobs.lease_batch(connection_id=lane().pk, paced=False)
    assert isinstance(batch, jobs.Batch)
    reading = PostReading("", Availability.LIVE, UnifiedMetrics(views=COUNTED_VIEWS), raw={"items": ["<b>raw</b>"]})
    readings = {job.post.external_id: replace(reading, external_id=job.post.external_id) for job in batch.jobs}
    assert settling.settle(batch=batch, answer=settling.Answer(clock.now(), readings)) == count
    alert_services.open_for_verdicts(verdict_ids=list(ReconciliationLog.objects.values_list("pk", flat=True)))
    return posts


def client_for(user: User) -> Client:
    """A browser in which this person has logged in."""
    client = Client()
    client.force_login(user)
    return client


def superuser() -> User:
    """Somebody who may do everything."""
    return User.objects.create_superuser(UserFactory.build().email)


def the_alert() -> Alert:
    """The only alert there is."""
    alert: Alert = Alert.objects.get()
    return alert


def with_permissions(*names: str) -> User:
    """A member of staff who has these rights ("alerts.view_alert") and no others."""
    user: User = UserFactory(is_staff=True)
    for name in names:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def told(response: Any) -> list[str]:
    """The messages on a page."""
    return [str(message) for message in response.context["messages"]]
