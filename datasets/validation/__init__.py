"""What `facedata validate` looks at: rows, pictures, kin, splits, files, in memory that stays flat."""
