"""What files of each kind hold, and what their rows mean: `claims`, `campaigns` and `affiliates`, each a Kind."""
