"""Physical augmentation: operators, policies, and the task that applies them to a dataset."""
