"""What the dashboard's pages show: views query, here rows become what templates write down.

A figure that nobody knows stays None.
"""
