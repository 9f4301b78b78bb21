"""What can happen to platforms, connections and accounts: one function for each use case."""
