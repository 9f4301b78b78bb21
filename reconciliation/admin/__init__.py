"""Staff's pages for posts, claims, snapshots, verdicts, decisions, rules, findings, trust, and the work of looking."""

from reconciliation.admin import deciding, imports, ledger, posts, quality, records, rollups, rules, work

__all__ = ["deciding", "imports", "ledger", "posts", "quality", "records", "rollups", "rules", "work"]
