"""What detectors say of faces, joined onto a dataset and kept apart from what people coded."""
