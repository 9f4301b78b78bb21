"""Tracking: links and the clicks on them, postbacks and the conversions they report, and what both add up to."""
