"""What can happen: one function for each use case, called alike by views, tasks, admin actions and commands."""
