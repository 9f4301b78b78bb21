import config.clock
import config.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from config.models import append_only


class Migration(migrations.Migration):
    """Claims that their affiliates take back, and posts without one that stands."""

    dependencies = [
        ('affiliates', '0004_idempotency_keys'),
        ('campaigns', '0008_disputes'),
        ('platforms', '0003_account_checks'),
        ('reconciliation', '0017_disputes'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ClaimWithdrawal',
            fields=[
                ('id', models.UUIDField(default=config.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=config.clock.now, editable=False)),
                ('is_unseen', models.BooleanField()),
                ('reason', models.CharField(choices=[('mistyped', 'the figures were mistyped'), ('wrong_post', 'it was meant for another post'), ('too_soon', 'it was made too soon'), ('other', 'another reason')], max_length=10)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='poststate',
            name='state_verdict_known',
        ),
        migrations.RemoveConstraint(
            model_name='poststate',
            name='state_word_has_its_verdict',
        ),
        migrations.AlterField(
            model_name='poststate',
            name='claimed_views',
            field=models.BigIntegerField(help_text='Empty where the claim was withdrawn.', null=True),
        ),
        migrations.AddConstraint(
            model_name='poststate',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ('high', 'medium', 'low', 'matched', 'too_early', 'unverifiable', 'post_missing', 'invalid_claim', 'pending', 'withdrawn'))), name='state_verdict_known'),
        ),
        migrations.AddConstraint(
            model_name='poststate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('current_verdict', None), ('verdict__in', ['pending', 'withdrawn'])), models.Q(models.Q(('verdict__in', ['pending', 'withdrawn']), _negated=True), ('current_verdict__isnull', False)), _connector='OR'), name='state_word_has_its_verdict'),
        ),
        migrations.AddField(
            model_name='claimwithdrawal',
            name='claim',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='withdrawal', to='reconciliation.affiliatereport'),
        ),
        migrations.AddField(
            model_name='claimwithdrawal',
            name='withdrawn_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='claimwithdrawal',
            constraint=models.CheckConstraint(condition=models.Q(('reason__in', ['mistyped', 'wrong_post', 'too_soon', 'other'])), name='withdrawal_reason_known'),
        ),
        append_only("reconciliation_claimwithdrawal"),
    ]
