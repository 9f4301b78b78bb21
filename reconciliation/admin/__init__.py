"""Staff's pages for posts, claims, snapshots, verdicts, rules, trust, and the work of looking."""

from reconciliation.admin import imports, ledger, posts, quality, records, rollups, rules, work

__all__ = ["imports", "ledger", "posts", "quality", "records", "rollups", "rules", "work"]
