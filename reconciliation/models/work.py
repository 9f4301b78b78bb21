"""The work of looking at posts. These rows are the record; the queue only wakes somebody to read them."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from campaigns.models import Post
from config.models import Row
from platforms.models import Connection
from reconciliation import urgency
from reconciliation.querysets import HeartbeatQuerySet, JobQuerySet, RunQuerySet

_REASONS = {
    "submission": "Submission",
    "dispute": "Dispute",
    "tracking": "Tracking",
    "manual": "Manual",
    "second_look": "Second look",
    "recheck": "Re-check",
}


class Job(Row):
    """One look at a post that is to be taken. A post has at most one that is not over yet."""

    Reason = urgency.Reason

    class State(models.TextChoices):
        DUE = "due"
        LEASED = "leased"
        DONE = "done"
        DEAD = "dead"
        DISCARDED = "discarded"

    post = models.ForeignKey(Post, models.PROTECT, related_name="jobs")
    connection = models.ForeignKey(
        Connection, models.PROTECT, null=True, related_name="jobs", help_text="The lane. Empty: no platform is asked."
    )
    reason = models.CharField(max_length=12, choices=_REASONS)
    state = models.CharField(max_length=9, choices=State, default=State.DUE)
    due_at = models.DateTimeField()
    urgent_at = models.DateTimeField(help_text="The earliest goes first: see the module on urgency.")
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True, help_text="Who holds it: a settlement under another lease is void.")
    last_error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["due_at"]
        indexes = [
            # the next batch of a lane
            models.Index(
                fields=["connection", "urgent_at", "due_at"], condition=Q(state="due"), name="job_next_of_lane"
            ),
            models.Index(fields=["due_at"], condition=Q(state="due"), name="job_due"),  # the sweep: what is due
            models.Index(fields=["leased_until"], condition=Q(state="leased"), name="job_lapsed"),  # the sweep
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["post"], condition=Q(state__in=["due", "leased"]), name="job_one_pending_a_post"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["due", "leased", "done", "dead", "discarded"]), name="job_state_known"
            ),
            models.CheckConstraint(condition=Q(reason__in=list(_REASONS)), name="job_reason_known"),
            # Whoever takes the next batch looks no further than at what is urgent by now.
            models.CheckConstraint(condition=Q(urgent_at__lte=F("due_at")), name="job_urgent_once_due"),
            models.CheckConstraint(
                condition=(Q(state="leased") & Q(lease__isnull=False, leased_until__isnull=False)) | ~Q(state="leased"),
                name="job_lease_has_a_holder",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} look, {self.state}"


class Run(Row):
    """A set of looks somebody asked for, with the scope they asked it for."""

    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    scope = models.JSONField(default=dict)
    cancelled_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Run of {self.created_at:%d %b %Y %H:%M}"


class RunJob(models.Model):
    """A look that belongs to a run. It may have been due for another reason already."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="run_jobs")
    job = models.ForeignKey(Job, models.CASCADE, related_name="run_jobs")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "job"], name="runjob_once")]

    def __str__(self) -> str:
        return f"{self.job_id} in {self.run_id}"


class Heartbeat(Row):
    """A process that works the queue, as its watchdog has just seen it. One that was not seen lately is forgotten."""

    class Role(models.TextChoices):
        WATCHDOG = "watchdog"
        MAIN = "main"
        SENTINEL = "sentinel"
        PUSHER = "pusher"
        MONITOR = "monitor"
        WORKER = "worker"

    cluster = models.CharField(max_length=16, help_text="What one watchdog looks after.")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    role = models.CharField(max_length=8, choices=Role)
    doing = models.CharField(max_length=200, blank=True, help_text="The task that it was seen at.")
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["host", "cluster", "started_at"]
        constraints = [models.UniqueConstraint(fields=["cluster", "pid"], name="heartbeat_once_a_process")]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.pid} on {self.host}"
