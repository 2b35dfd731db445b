"""What is done with whole versions: filter, merge, sample, edit, split, compare, rebuild."""
