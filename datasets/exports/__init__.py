"""Exports: a dataset in the forms that trainers and hubs read, none of which needs facedata."""
