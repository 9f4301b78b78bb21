"""Staff's pages for posts, claims, snapshots, verdicts, rules, trust, and the work of looking."""

from reconciliation.admin import imports, posts, quality, records, rollups, rules, work

__all__ = ["imports", "posts", "quality", "records", "rollups", "rules", "work"]
