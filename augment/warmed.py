"""Importing this module readies a process for the operators: kernels compiled or loaded, tables built.

A worker preloads it, so that processes forked from the warm server start at full speed.
"""

import cv2

from facedata.augment.registry import warm

cv2.setNumThreads(0)  # before the first call: a thread pool would not survive the fork
warm()
