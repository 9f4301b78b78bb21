from django.db import migrations

MOVE_DAYS = """
    -- Whoever claims or settles meanwhile waits, before any row of theirs is locked, and reads the new time zone then.
    CREATE OR REPLACE FUNCTION reconciliation_move_days() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        LOCK TABLE reconciliation_poststate IN {mode} MODE;
        UPDATE reconciliation_poststate AS state
        SET claimed_on = (state.claimed_at AT TIME ZONE NEW.time_zone)::date
        FROM campaigns_campaign AS campaign
        WHERE campaign.advertiser_id = NEW.id AND campaign.id = state.campaign_id
            AND state.claimed_on <> (state.claimed_at AT TIME ZONE NEW.time_zone)::date;
        RETURN NULL;
    END $$;
"""


class Migration(migrations.Migration):
    """A new time zone and looks that are just settled wait for each other in one order."""

    dependencies = [("reconciliation", "0010_costliest")]
    operations = [
        migrations.RunSQL(MOVE_DAYS.format(mode="EXCLUSIVE"), MOVE_DAYS.format(mode="SHARE ROW EXCLUSIVE")),
    ]
