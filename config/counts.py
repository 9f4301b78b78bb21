"""How large a count may be, wherever counts come in, are kept or go out."""

MAX_COUNT = 2**53 - 1
"""What JSON carries without loss: beyond it, readers disagree about the number."""
