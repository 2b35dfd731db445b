"""The operators, one file each; `facedata.augment.registry` lists them by name."""
