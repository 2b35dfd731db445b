"""What `facedata validate` looks at: rows, pictures, kin, splits, files; memory stays flat over all of them."""
