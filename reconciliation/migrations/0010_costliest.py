from django.db import migrations, models


class Migration(migrations.Migration):
    """Posts with the most money at risk first: a campaign's, and those of several."""

    dependencies = [("reconciliation", "0009_heartbeats")]
    operations = [
        migrations.AddIndex(
            model_name="poststate",
            index=models.Index(
                models.F("campaign"),
                models.OrderBy(models.F("money_at_risk"), descending=True, nulls_last=True),
                models.OrderBy(models.F("post"), descending=True),
                condition=models.Q(("is_standing", True)),
                name="state_costliest",
            ),
        ),
        migrations.AddIndex(
            model_name="poststate",
            index=models.Index(
                models.OrderBy(models.F("money_at_risk"), descending=True, nulls_last=True),
                models.OrderBy(models.F("post"), descending=True),
                condition=models.Q(("is_standing", True), ("verdict__in", ("high", "medium", "low"))),
                name="state_discrepancies",
            ),
        ),
    ]
