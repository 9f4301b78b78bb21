import config.clock
import config.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from config.models import append_only


class Migration(migrations.Migration):
    """What people decided of counted verdicts, and what follows for how posts stand."""

    dependencies = [
        ('affiliates', '0004_idempotency_keys'),
        ('campaigns', '0007_room_to_change'),
        ('platforms', '0003_account_checks'),
        ('reconciliation', '0015_trust'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Override',
            fields=[
                ('id', models.UUIDField(default=config.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=config.clock.now, editable=False)),
                ('number', models.PositiveSmallIntegerField(help_text='Counts the decisions on one verdict, from 1.')),
                ('status', models.CharField(choices=[('MATCHED', 'MATCHED'), ('DISCREPANCY', 'DISCREPANCY'), ('UNVERIFIABLE', 'UNVERIFIABLE'), ('INVALID_CLAIM', 'INVALID_CLAIM')], max_length=16)),
                ('discrepancy_level', models.CharField(choices=[('LOW', 'LOW'), ('MEDIUM', 'MEDIUM'), ('HIGH', 'HIGH')], max_length=8, null=True)),
                ('views_discrepancy', models.BigIntegerField(null=True)),
                ('clicks_discrepancy', models.BigIntegerField(null=True)),
                ('conversions_discrepancy', models.BigIntegerField(null=True)),
                ('views_diff_pct', models.DecimalField(decimal_places=2, max_digits=20, null=True)),
                ('clicks_diff_pct', models.DecimalField(decimal_places=2, max_digits=20, null=True)),
                ('conversions_diff_pct', models.DecimalField(decimal_places=2, max_digits=20, null=True)),
                ('trust_effect', models.CharField(choices=[('ACCURATE', 'ACCURATE'), ('INACCURATE', 'INACCURATE'), ('NONE', 'NONE')], max_length=10)),
                ('money_at_risk', models.DecimalField(decimal_places=2, max_digits=24, null=True)),
                ('currency', models.CharField(max_length=3)),
                ('explanation', models.TextField()),
                ('reason', models.CharField(choices=[('evidence', 'evidence was shown'), ('source_wrong', 'the source counted wrongly'), ('source_revised', 'the source has corrected its figures since'), ('not_genuine', 'the figures are not genuine'), ('verdict_holds', 'nothing speaks against the verdict'), ('goodwill', 'goodwill'), ('correction', 'an earlier decision was wrong'), ('silence', 'nobody decided in time'), ('other', 'see the note')], max_length=16)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='OverrideNote',
            fields=[
                ('override', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='note', serialize=False, to='reconciliation.override')),
                ('text', models.TextField(max_length=2000)),
            ],
        ),
        migrations.AddField(
            model_name='override',
            name='decided_by',
            field=models.ForeignKey(help_text='Empty: nobody did in time.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='override',
            name='verdict',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='overrides', to='reconciliation.reconciliationlog'),
        ),
        migrations.AddField(
            model_name='poststate',
            name='override',
            field=models.ForeignKey(db_index=False, help_text='What holds in place of the current verdict.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reconciliation.override'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.UniqueConstraint(fields=('verdict', 'number'), name='override_number_once'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('number__gte', 1)), name='override_numbers_from_one'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['MATCHED', 'DISCREPANCY', 'UNVERIFIABLE', 'INVALID_CLAIM'])), name='override_status_known'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('discrepancy_level__in', ['LOW', 'MEDIUM', 'HIGH']), ('status', 'DISCREPANCY')), models.Q(models.Q(('status', 'DISCREPANCY'), _negated=True), ('discrepancy_level', None)), _connector='OR'), name='override_level_of_a_discrepancy'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(('reason__in', ['evidence', 'source_wrong', 'source_revised', 'not_genuine', 'verdict_holds', 'goodwill', 'correction', 'silence', 'other'])), name='override_reason_known'),
        ),
        migrations.AddConstraint(
            model_name='override',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_by', None), ('reason', 'silence')), models.Q(('decided_by__isnull', False), models.Q(('reason', 'silence'), _negated=True)), _connector='OR'), name='override_is_somebodys_or_silence'),
        ),
        append_only("reconciliation_override"),
    ]
