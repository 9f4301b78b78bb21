from datetime import UTC, datetime
from uuid import UUID

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
from django.db import migrations, models


NOBODY, LONG_AGO = UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC)
"""What rows that are there already hold until they are filled, a step later."""

FILL = """
    UPDATE reconciliation_poststate AS state
    SET campaign_id = post.campaign_id, platform_id = post.platform_id, affiliate_id = post.affiliate_id,
        is_standing = post.displaced_at IS NULL AND post.merged_into_id IS NULL,
        claimed_at = claim.claimed_at, claimed_on = (claim.claimed_at AT TIME ZONE advertiser.time_zone)::date,
        claimed_views = claim.claimed_views,
        verdict = lower(CASE
            WHEN verdict.id IS NULL THEN 'pending'
            WHEN verdict.status = 'DISCREPANCY' THEN verdict.discrepancy_level
            ELSE verdict.status
        END),
        views_discrepancy = verdict.views_discrepancy, views_diff_pct = verdict.views_diff_pct,
        money_at_risk = verdict.money_at_risk,
        currency = CASE WHEN verdict.money_at_risk IS NULL THEN '' ELSE verdict.currency END
    FROM reconciliation_poststate AS before
        JOIN campaigns_post AS post ON post.id = before.post_id
        JOIN campaigns_campaign AS campaign ON campaign.id = post.campaign_id
        JOIN campaigns_advertiser AS advertiser ON advertiser.id = campaign.advertiser_id
        JOIN reconciliation_affiliatereport AS claim ON claim.id = before.current_claim_id
        LEFT JOIN reconciliation_reconciliationlog AS verdict ON verdict.id = before.current_verdict_id
    WHERE state.post_id = before.post_id;
"""

CAME, WENT = (
    f"SELECT {sign} AS sign, campaign_id, platform_id, affiliate_id, claimed_on, verdict, currency, "
    f"possible_views, verified_views, over_claimed_views, money_at_risk FROM {rows} WHERE is_standing"
    for sign, rows in ((1, "new_rows"), (-1, "old_rows"))
)


def roll_up(changes: str) -> str:
    """Add what came and went, summed up, to both tables. Nothing is locked: each statement adds rows of its own."""
    return "".join(
        f"""
        INSERT INTO {table} (
            campaign_id, platform_id, {name}, verdict, currency, post_count, claiming_count, compared_count,
            claimed_sum, verified_sum, over_claimed_sum, money_sum, is_folded
        )
        SELECT *, false
        FROM (
            SELECT campaign_id, platform_id, {column}, verdict, currency,
                sum(sign) AS posts,
                count(possible_views) FILTER (WHERE sign > 0) - count(possible_views) FILTER (WHERE sign < 0) AS claiming,
                count(verified_views) FILTER (WHERE sign > 0) - count(verified_views) FILTER (WHERE sign < 0) AS compared,
                coalesce(sum(sign * possible_views), 0) AS claimed,
                coalesce(sum(sign * verified_views), 0) AS verified,
                coalesce(sum(sign * over_claimed_views), 0) AS over_claimed,
                coalesce(sum(sign * money_at_risk), 0) AS money
            FROM ({changes}) AS change
            GROUP BY campaign_id, platform_id, {column}, verdict, currency
        ) AS increment
        WHERE (posts, claiming, compared, claimed, verified, over_claimed, money) <> (0, 0, 0, 0, 0, 0, 0);
        """
        for table, name, column in (
            ("reconciliation_dayrollup", "day", "claimed_on"),
            ("reconciliation_affiliaterollup", "affiliate_id", "affiliate_id"),
        )
    )


TRIGGERS = f"""
    CREATE FUNCTION reconciliation_roll_up() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            {roll_up(CAME)}
        ELSIF TG_OP = 'UPDATE' THEN
            {roll_up(f"{CAME} UNION ALL {WENT}")}
        ELSE
            {roll_up(WENT)}
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER roll_up_new AFTER INSERT ON reconciliation_poststate
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_roll_up();
    CREATE TRIGGER roll_up_changed AFTER UPDATE ON reconciliation_poststate
        REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_roll_up();
    CREATE TRIGGER roll_up_gone AFTER DELETE ON reconciliation_poststate
        REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_roll_up();

    CREATE FUNCTION reconciliation_note_standing() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE reconciliation_poststate SET is_standing = NEW.displaced_at IS NULL AND NEW.merged_into_id IS NULL
        WHERE post_id = NEW.id;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_standing AFTER UPDATE OF displaced_at, merged_into_id ON campaigns_post
        FOR EACH ROW WHEN (
            (NEW.displaced_at IS NULL AND NEW.merged_into_id IS NULL)
            <> (OLD.displaced_at IS NULL AND OLD.merged_into_id IS NULL)
        ) EXECUTE FUNCTION reconciliation_note_standing();

    -- Whoever claims meanwhile waits, and reads the new time zone then.
    CREATE FUNCTION reconciliation_move_days() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        LOCK TABLE reconciliation_poststate IN SHARE ROW EXCLUSIVE MODE;
        UPDATE reconciliation_poststate AS state
        SET claimed_on = (state.claimed_at AT TIME ZONE NEW.time_zone)::date
        FROM campaigns_campaign AS campaign
        WHERE campaign.advertiser_id = NEW.id AND campaign.id = state.campaign_id
            AND state.claimed_on <> (state.claimed_at AT TIME ZONE NEW.time_zone)::date;
        RETURN NULL;
    END $$;
    CREATE TRIGGER move_days AFTER UPDATE OF time_zone ON campaigns_advertiser
        FOR EACH ROW WHEN (NEW.time_zone <> OLD.time_zone) EXECUTE FUNCTION reconciliation_move_days();
"""
NO_TRIGGERS = """
    DROP FUNCTION reconciliation_roll_up() CASCADE;
    DROP FUNCTION reconciliation_note_standing() CASCADE;
    DROP FUNCTION reconciliation_move_days() CASCADE;
"""


class Migration(migrations.Migration):
    """How posts stand, with all that lists are narrowed to and sorted by; and its sums, which triggers keep."""

    dependencies = [
        ('affiliates', '0003_discord'),
        ('campaigns', '0003_tracking'),
        ('platforms', '0003_account_checks'),
        ('reconciliation', '0006_imports'),
    ]

    operations = [
        migrations.CreateModel(
            name='AffiliateRollUp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(max_length=14)),
                ('currency', models.CharField(blank=True, help_text='Of the money at risk; empty where there is none.', max_length=3)),
                ('post_count', models.IntegerField()),
                ('claiming_count', models.IntegerField(help_text='Those whose claim names views that a post can have.')),
                ('compared_count', models.IntegerField(help_text='Those whose verdict held claimed views against a count.')),
                ('claimed_sum', models.DecimalField(decimal_places=0, max_digits=30)),
                ('verified_sum', models.DecimalField(decimal_places=0, max_digits=30)),
                ('over_claimed_sum', models.DecimalField(decimal_places=0, max_digits=30)),
                ('money_sum', models.DecimalField(decimal_places=2, max_digits=30)),
                ('is_folded', models.BooleanField(default=False)),
            ],
            options={
                'verbose_name': 'roll-up by affiliate',
                'verbose_name_plural': 'roll-ups by affiliate',
            },
        ),
        migrations.CreateModel(
            name='DayRollUp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(max_length=14)),
                ('currency', models.CharField(blank=True, help_text='Of the money at risk; empty where there is none.', max_length=3)),
                ('post_count', models.IntegerField()),
                ('claiming_count', models.IntegerField(help_text='Those whose claim names views that a post can have.')),
                ('compared_count', models.IntegerField(help_text='Those whose verdict held claimed views against a count.')),
                ('claimed_sum', models.DecimalField(decimal_places=0, max_digits=30)),
                ('verified_sum', models.DecimalField(decimal_places=0, max_digits=30)),
                ('over_claimed_sum', models.DecimalField(decimal_places=0, max_digits=30)),
                ('money_sum', models.DecimalField(decimal_places=2, max_digits=30)),
                ('is_folded', models.BooleanField(default=False)),
                ('day', models.DateField()),
            ],
            options={
                'verbose_name': 'roll-up by day',
                'verbose_name_plural': 'roll-ups by day',
            },
        ),
        migrations.AddField(
            model_name='poststate',
            name='affiliate',
            field=models.ForeignKey(db_constraint=False, db_index=False, default=NOBODY, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='affiliates.affiliate'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, default=NOBODY, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.campaign'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='claimed_at',
            field=models.DateTimeField(default=LONG_AGO),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='claimed_on',
            field=models.DateField(default=LONG_AGO.date(), help_text='The day of the claim where the advertiser is.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='claimed_views',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='poststate',
            name='currency',
            field=models.CharField(blank=True, default='', help_text='Of the money at risk; empty where there is none.', max_length=3),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='is_standing',
            field=models.BooleanField(default=False, help_text='Neither displaced by a proven owner nor merged into another.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='money_at_risk',
            field=models.DecimalField(decimal_places=2, max_digits=24, null=True),
        ),
        migrations.AddField(
            model_name='poststate',
            name='platform',
            field=models.ForeignKey(db_constraint=False, db_index=False, default=NOBODY, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='platforms.platform'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='verdict',
            field=models.CharField(default='pending', help_text="The current one in a word: a discrepancy's level, a status, or pending.", max_length=14),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='poststate',
            name='views_discrepancy',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='poststate',
            name='views_diff_pct',
            field=models.DecimalField(decimal_places=2, max_digits=20, null=True),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='poststate',
            name='counted_verdict',
            field=models.ForeignKey(db_index=False, help_text='Of the latest claim that has one.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reconciliation.reconciliationlog'),
        ),
        migrations.AlterField(
            model_name='poststate',
            name='current_claim',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reconciliation.affiliatereport'),
        ),
        migrations.AlterField(
            model_name='poststate',
            name='current_verdict',
            field=models.ForeignKey(db_index=False, help_text='Of the current claim; may be provisional.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reconciliation.reconciliationlog'),
        ),
        migrations.AlterField(
            model_name='poststate',
            name='latest_snapshot',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reconciliation.platformreport'),
        ),
        migrations.AddIndex(
            model_name='poststate',
            index=models.Index(condition=models.Q(('is_standing', True)), fields=['campaign', '-claimed_at', '-post'], name='state_of_campaign'),
        ),
        migrations.AddIndex(
            model_name='poststate',
            index=models.Index(condition=models.Q(('is_standing', True)), fields=['campaign', 'verdict', '-claimed_at', '-post'], name='state_of_verdict'),
        ),
        migrations.AddIndex(
            model_name='poststate',
            index=models.Index(condition=models.Q(('is_standing', True)), fields=['affiliate', '-claimed_at', '-post'], name='state_of_affiliate'),
        ),
        migrations.AddIndex(
            model_name='poststate',
            index=models.Index(condition=models.Q(('is_standing', True)), fields=['campaign', 'last_fetched_at'], name='state_as_of'),
        ),
        migrations.AddConstraint(
            model_name='poststate',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ('high', 'medium', 'low', 'matched', 'too_early', 'unverifiable', 'post_missing', 'invalid_claim', 'pending'))), name='state_verdict_known'),
        ),
        migrations.AddConstraint(
            model_name='poststate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('current_verdict', None), ('verdict', 'pending')), models.Q(models.Q(('verdict', 'pending'), _negated=True), ('current_verdict__isnull', False)), _connector='OR'), name='state_word_has_its_verdict'),
        ),
        migrations.AddConstraint(
            model_name='poststate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('currency', ''), ('money_at_risk', None)), models.Q(('money_at_risk__isnull', False), models.Q(('currency', ''), _negated=True)), _connector='OR'), name='state_money_has_its_currency'),
        ),
        migrations.AddField(
            model_name='affiliaterollup',
            name='affiliate',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='affiliates.affiliate'),
        ),
        migrations.AddField(
            model_name='affiliaterollup',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.campaign'),
        ),
        migrations.AddField(
            model_name='affiliaterollup',
            name='platform',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='platforms.platform'),
        ),
        migrations.AddField(
            model_name='dayrollup',
            name='campaign',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='campaigns.campaign'),
        ),
        migrations.AddField(
            model_name='dayrollup',
            name='platform',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='platforms.platform'),
        ),
        migrations.AddField(
            model_name='poststate',
            name='possible_views',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(then=None, verdict='invalid_claim'), default=models.F('claimed_views')), output_field=models.BigIntegerField(null=True)),
        ),
        migrations.AddField(
            model_name='poststate',
            name='over_claimed_views',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('verdict__in', ('high', 'medium', 'low', 'matched')), ('views_discrepancy__isnull', False)), then=django.db.models.functions.comparison.Greatest('views_discrepancy', models.Value(0)))), output_field=models.BigIntegerField(null=True)),
        ),
        migrations.AddField(
            model_name='poststate',
            name='verified_views',
            field=models.GeneratedField(db_persist=True, expression=models.Case(models.When(models.Q(('verdict__in', ('high', 'medium', 'low', 'matched')), ('views_discrepancy__isnull', False)), then=django.db.models.functions.comparison.Least('claimed_views', django.db.models.expressions.CombinedExpression(models.F('claimed_views'), '-', models.F('views_discrepancy'))))), output_field=models.BigIntegerField(null=True)),
        ),
        migrations.AddIndex(
            model_name='affiliaterollup',
            index=models.Index(fields=['campaign', 'affiliate'], name='affiliaterollup_of_campaign'),
        ),
        migrations.AddIndex(
            model_name='affiliaterollup',
            index=models.Index(fields=['affiliate'], name='affiliaterollup_of_affiliate'),
        ),
        migrations.AddIndex(
            model_name='affiliaterollup',
            index=models.Index(condition=models.Q(('is_folded', False)), fields=['id'], name='affiliaterollup_to_fold'),
        ),
        migrations.AddIndex(
            model_name='dayrollup',
            index=models.Index(fields=['campaign', 'day'], name='dayrollup_of_campaign'),
        ),
        migrations.AddIndex(
            model_name='dayrollup',
            index=models.Index(condition=models.Q(('is_folded', False)), fields=['id'], name='dayrollup_to_fold'),
        ),
        migrations.RunSQL(roll_up(CAME.replace("new_rows", "reconciliation_poststate")), migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
    ]
