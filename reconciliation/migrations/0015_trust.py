import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

KINDS = ("matched", "low", "medium", "high", "post_missing", "invalid_claim")

# The table is append-only, and what is filled in here is what each row would have said from the start.
FILL_IN = """
    ALTER TABLE reconciliation_trustevent DISABLE TRIGGER append_only;
    UPDATE reconciliation_trustevent event
    SET kind = CASE WHEN effect = 'NONE' THEN 'NONE' ELSE COALESCE(verdict.discrepancy_level, verdict.status) END
    FROM reconciliation_reconciliationlog verdict WHERE verdict.id = event.verdict_id;
    ALTER TABLE reconciliation_trustevent ENABLE TRIGGER append_only;

    INSERT INTO reconciliation_platformtrust
        (trust_id, platform_id, matched, low, medium, high, post_missing, invalid_claim)
    SELECT affiliate_id, platform_id, count(*) FILTER (WHERE kind = 'MATCHED'), count(*) FILTER (WHERE kind = 'LOW'),
        count(*) FILTER (WHERE kind = 'MEDIUM'), count(*) FILTER (WHERE kind = 'HIGH'),
        count(*) FILTER (WHERE kind = 'POST_MISSING'), count(*) FILTER (WHERE kind = 'INVALID_CLAIM')
    FROM (
        SELECT DISTINCT ON (event.affiliate_id, content, day) event.affiliate_id, event.platform_id, kind
        FROM reconciliation_trustevent event
        JOIN campaigns_post post ON post.id = event.post_id,
        LATERAL (SELECT COALESCE(post.merged_into_id, post.id) AS content) AS standing
        ORDER BY event.affiliate_id, content, day, claimed_at DESC, claim_id DESC
    ) AS latest
    WHERE kind <> 'NONE'
    GROUP BY affiliate_id, platform_id;

    UPDATE reconciliation_trustscore trust
    SET matched = found.matched, low = found.low, medium = found.medium, high = found.high,
        post_missing = found.post_missing, invalid_claim = found.invalid_claim
    FROM (
        SELECT trust_id, sum(matched) AS matched, sum(low) AS low, sum(medium) AS medium, sum(high) AS high,
            sum(post_missing) AS post_missing, sum(invalid_claim) AS invalid_claim
        FROM reconciliation_platformtrust GROUP BY trust_id
    ) AS found
    WHERE found.trust_id = trust.affiliate_id;

    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
"""


def counts():
    return [(name, models.PositiveIntegerField(default=0, db_default=0)) for name in KINDS]


def sums():
    accurate = F("matched") + F("low")
    total = accurate + F("medium") + F("high") + F("post_missing") + F("invalid_claim")
    return [
        (name, models.GeneratedField(expression=of, output_field=models.IntegerField(), db_persist=True))
        for name, of in (("total_submissions", total), ("accurate_submissions", accurate))
    ]


class Migration(migrations.Migration):
    """Outcomes are counted by their kind, overall and by platform; what they add up to, the database says itself."""

    dependencies = [
        ("platforms", "0003_account_checks"),
        ("reconciliation", "0014_ledger"),
    ]
    operations = [
        migrations.AddField(
            "trustevent",
            "kind",
            models.CharField(
                choices=[(kind.upper(), kind.upper()) for kind in (*KINDS, "none")], default="", max_length=13
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "trustevent",
            "number",
            models.PositiveSmallIntegerField(
                db_default=0,
                help_text="0: the verdict’s own word. From 1 on: what was decided in its place; the last counts.",
            ),
        ),
        migrations.AlterField(
            "trustevent",
            "verdict",
            models.ForeignKey(
                "reconciliation.reconciliationlog",
                django.db.models.deletion.PROTECT,
                db_index=False,
                related_name="trust_events",
            ),
        ),
        *(migrations.AddField("trustscore", name, field) for name, field in counts()),
        migrations.CreateModel(
            "PlatformTrust",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                *counts(),
                *sums(),
                (
                    "trust",
                    models.ForeignKey(
                        "reconciliation.trustscore",
                        django.db.models.deletion.PROTECT,
                        db_index=False,
                        related_name="platforms",
                    ),
                ),
                (
                    "platform",
                    models.ForeignKey(
                        "platforms.platform", django.db.models.deletion.PROTECT, db_index=False, related_name="+"
                    ),
                ),
            ],
            {
                "verbose_name": "trust on a platform",
                "verbose_name_plural": "trust on platforms",
                "constraints": [
                    models.UniqueConstraint(fields=("trust", "platform"), name="trust_once_a_platform"),
                ],
            },
        ),
        migrations.RunSQL(FILL_IN, migrations.RunSQL.noop),
        migrations.RemoveConstraint("trustscore", "trust_accurate_within_total"),
        migrations.RemoveField("trustscore", "total_submissions"),
        migrations.RemoveField("trustscore", "accurate_submissions"),
        *(migrations.AddField("trustscore", name, field) for name, field in sums()),
        migrations.AddConstraint(
            "trustevent",
            models.UniqueConstraint(fields=("verdict", "number"), name="trust_event_once"),
        ),
        migrations.AddConstraint(
            "trustevent",
            models.CheckConstraint(
                condition=Q(
                    Q(("effect", "ACCURATE"), ("kind__in", ["MATCHED", "LOW"])),
                    Q(
                        ("effect", "INACCURATE"),
                        ("kind__in", ["MEDIUM", "HIGH", "POST_MISSING", "INVALID_CLAIM"]),
                    ),
                    Q(("effect", "NONE"), ("kind", "NONE")),
                    _connector="OR",
                ),
                name="trust_kind_has_its_effect",
            ),
        ),
    ]
