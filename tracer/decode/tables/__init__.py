"""What numbers mean: data only, one file for a family or an architecture."""
