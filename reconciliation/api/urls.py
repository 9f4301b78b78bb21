"""Addresses under /api/v1."""

from config.api.routing import endpoint
from reconciliation.api import bulk, disputes, imports, platforms, views

urlpatterns = [
    endpoint("submissions", views.Submissions, name="api-submissions"),
    endpoint("submissions/history", views.SubmissionHistory, name="api-submission-history"),
    endpoint("submissions/bulk", bulk.SubmissionsBulk, name="api-submissions-bulk"),
    endpoint("campaigns/bulk", imports.CampaignsUpload, name="api-campaigns-bulk"),
    endpoint("affiliates/bulk", imports.AffiliatesUpload, name="api-affiliates-bulk"),
    endpoint("imports", imports.Imports, name="api-imports"),
    endpoint("imports/<uuid:import_id>", imports.ImportDetail, name="api-import"),
    endpoint("imports/<uuid:import_id>/rows", imports.ImportRows, name="api-import-rows"),
    endpoint("imports/<uuid:import_id>/apply", imports.ImportApply, name="api-import-apply"),
    endpoint("imports/<uuid:import_id>/discard", imports.ImportDiscard, name="api-import-discard"),
    endpoint("submissions/<uuid:post_id>", views.SubmissionDetail, name="api-submission"),
    endpoint("submissions/<uuid:post_id>/metrics", views.SubmissionMetrics, name="api-submission-metrics"),
    endpoint("submissions/<uuid:post_id>/withdraw", views.SubmissionWithdraw, name="api-submission-withdraw"),
    endpoint("submissions/<uuid:post_id>/correct", views.SubmissionCorrect, name="api-submission-correct"),
    # the same views under their other spelling
    endpoint("affiliates/submissions", views.Submissions, name="api-affiliates-submissions"),
    endpoint("affiliates/submissions/history", views.SubmissionHistory, name="api-affiliates-submission-history"),
    endpoint("affiliates/submissions/<uuid:post_id>", views.SubmissionDetail, name="api-affiliates-submission"),
    endpoint(
        "affiliates/submissions/<uuid:post_id>/metrics",
        views.SubmissionMetrics,
        name="api-affiliates-submission-metrics",
    ),
    endpoint(
        "affiliates/<uuid:affiliate_id>/submissions", views.AffiliateSubmissions, name="api-affiliate-submissions"
    ),
    endpoint(
        "affiliates/<uuid:affiliate_id>/performance", views.AffiliatePerformance, name="api-affiliate-performance"
    ),
    endpoint("platforms", platforms.Platforms, name="api-platforms"),
    endpoint("platforms/<slug:platform>/status", platforms.PlatformStatus, name="api-platform-status"),
    endpoint("platforms/<slug:platform>/fetch", platforms.PlatformFetch, name="api-platform-fetch"),
    endpoint("campaigns/<uuid:campaign_id>/forecast", views.CampaignForecast, name="api-campaign-forecast"),
    endpoint("reconciliation/run", views.RunRequest, name="api-reconciliation-run-request"),
    endpoint("reconciliation/runs", views.Runs, name="api-reconciliation-runs"),
    endpoint("reconciliation/runs/<uuid:run_id>", views.RunDetail, name="api-reconciliation-run"),
    endpoint("reconciliation/runs/<uuid:run_id>/cancel", views.RunCancel, name="api-reconciliation-run-cancel"),
    endpoint("exports/claims.<str:file_format>", views.ClaimsExport, name="api-export-claims"),
    endpoint("exports/snapshots.<str:file_format>", views.SnapshotsExport, name="api-export-snapshots"),
    endpoint("exports/verdicts.<str:file_format>", views.VerdictsExport, name="api-export-verdicts"),
    endpoint("reconciliation/results/<uuid:result_id>/dispute", disputes.DisputeOpening, name="api-dispute-opening"),
    endpoint("reconciliation/disputes", disputes.Disputes, name="api-disputes"),
    endpoint("reconciliation/disputes/<uuid:dispute_id>", disputes.DisputeDetail, name="api-dispute"),
    endpoint("reconciliation/disputes/<uuid:dispute_id>/decide", disputes.DisputeDecision, name="api-dispute-decision"),
    endpoint(
        "reconciliation/disputes/<uuid:dispute_id>/withdraw", disputes.DisputeWithdrawal, name="api-dispute-withdrawal"
    ),
    endpoint("reconciliation/findings", views.Findings, name="api-reconciliation-findings"),
    endpoint("reconciliation/clawbacks", views.Clawbacks, name="api-reconciliation-clawbacks"),
    endpoint("reconciliation/results", views.Results, name="api-reconciliation-results"),
    endpoint("reconciliation/results/<uuid:result_id>", views.ResultDetail, name="api-reconciliation-result"),
    endpoint("reconciliation/results/<uuid:result_id>/receipt", views.ResultReceipt, name="api-reconciliation-receipt"),
]
