"""Files that somebody imports: what came, what each row of it comes to, and how far the work is."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from config.models import Row
from reconciliation.querysets import ImportQuerySet


class Import(Row):
    """A file of claims, campaigns or affiliates. It is checked first; then whoever sent it says what to take of it."""

    class Kind(models.TextChoices):
        CLAIMS = "claims"
        CAMPAIGNS = "campaigns"
        AFFILIATES = "affiliates"

    class State(models.TextChoices):
        CHECKING = "checking"
        CHECKED = "checked"
        APPLYING = "applying", "importing"
        APPLIED = "applied", "imported"
        FAILED = "failed"
        DISCARDED = "discarded"

    class Take(models.TextChoices):
        ALL = "all", "all rows or none"
        GOOD = "good", "the good rows"

    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=9, choices=State, default=State.CHECKING)
    take = models.CharField(max_length=4, choices=Take, blank=True)
    file_name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    size_bytes = models.BigIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    livemode = models.BooleanField(null=True, help_text="The world that was seen by who sent it; empty: both.")
    rows_total = models.PositiveIntegerField(null=True, help_text="Known once the file has been checked.")
    outcomes = models.JSONField(default=dict, help_text="How many rows come to what.")
    rows_done = models.PositiveIntegerField(default=0)
    last_line = models.PositiveIntegerField(default=1)
    error = models.CharField(max_length=500, blank=True)
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since the work last came on.")
    finished_at = models.DateTimeField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        verbose_name = "import"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["leased_until"], condition=Q(state__in=["checking", "applying"]), name="import_at_work"
            ),
            models.Index(fields=["digest"], name="import_of_file"),  # whether the same file was imported before
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["claims", "campaigns", "affiliates"]), name="import_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["checking", "checked", "applying", "applied", "failed", "discarded"]),
                name="import_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["applying", "applied"]) | Q(take__in=["all", "good"]), name="import_says_what"
            ),
        ]

    def __str__(self) -> str:
        return self.file_name

    def rows_of(self, outcome: "ImportRow.Outcome | str") -> int:
        """How many rows come to this, as far as the work is."""
        return int(self.outcomes.get(str(outcome), 0))

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.CHECKING, self.State.APPLYING)


class ImportPart(models.Model):
    """A piece of the file, until the import is over."""

    of = models.ForeignKey(Import, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of", "number"], name="importpart_once")]

    def __str__(self) -> str:
        return f"Part {self.number} of {self.of_id}"


class ImportRow(models.Model):
    """What one row of the file comes to, or came to."""

    class Outcome(models.TextChoices):
        NEW_POST = "new_post", "new post"
        NEW_CLAIM = "new_claim", "new figures"
        CREATED = "created", "new"
        UNCHANGED = "unchanged", "unchanged"
        REFUSED = "refused", "refused"

    of = models.ForeignKey(Import, models.CASCADE, related_name="rows")
    line = models.PositiveIntegerField(help_text="Where it stands in the file; the header is line 1.")
    outcome = models.CharField(max_length=9, choices=Outcome)
    field = models.CharField(max_length=40, blank=True)
    code = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    is_done = models.BooleanField(default=False, help_text="Whether this happened, and is no longer a forecast.")
    object_id = models.UUIDField(null=True, help_text="The post, campaign or affiliate.")

    class Meta:
        ordering = ["of", "line"]
        constraints = [models.UniqueConstraint(fields=["of", "line"], name="importrow_once")]
        indexes = [models.Index(fields=["of", "outcome", "line"], name="importrow_by_outcome")]

    def __str__(self) -> str:
        return f"Line {self.line}: {self.get_outcome_display()}"
