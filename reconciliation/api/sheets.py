"""What lists of posts, claims, snapshots and verdicts are read from."""

from campaigns.models import Post
from config.api.sheets import Sheet
from reconciliation.api.serializers import (
    FindingSerializer,
    HistoricClaimSerializer,
    HistorySerializer,
    PostInShortSerializer,
    ResultSerializer,
    StandingSerializer,
    TruthSerializer,
    VerdictSerializer,
)
from reconciliation.models import AffiliateReport, Finding, PlatformReport, ReconciliationLog
from reconciliation.querysets import with_standing

RESULTS = Sheet(ResultSerializer, lambda: ReconciliationLog.objects.with_decision())
VERDICTS = Sheet(VerdictSerializer, lambda: ReconciliationLog.objects.with_decision(), key="affiliate_report")
"""Of claims, the newest first."""
HISTORY = Sheet(HistorySerializer, AffiliateReport.objects.all, many={"verdicts": VERDICTS})
CLAIMS = Sheet(HistoricClaimSerializer, AffiliateReport.objects.all, many={"verdicts": VERDICTS})
SNAPSHOTS = Sheet(TruthSerializer, PlatformReport.objects.all)
FINDINGS = Sheet(FindingSerializer, Finding.objects.all)
POSTS = Sheet(PostInShortSerializer, Post.objects.all)
STANDING = Sheet(StandingSerializer, lambda: with_standing(Post.objects.all()))
