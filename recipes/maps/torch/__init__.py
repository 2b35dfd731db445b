"""The maps of batches; each module is the twin of the one above it of the same name."""
