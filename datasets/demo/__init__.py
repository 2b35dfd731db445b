"""Demo faces: a small procedural renderer of human heads with exact truth.

Everything is geometry and hashed noise of our own: no photograph, no scanned or averaged face, nothing to
download and no licence to ask for. A face comes with its landmarks, box, region mask, pose, action units and
every parameter that was drawn, all read from the geometry that was rendered.

>>> face = demo_face(person=0, picture=0, size=64)
>>> face.image.shape, face.landmarks.shape, face.regions.shape
((64, 64, 3), (68, 2), (64, 64))
"""

from facedata.datasets.demo.actions import AUS, EXPRESSIONS
from facedata.datasets.demo.face import DemoFace, demo_face, demo_faces, face_name, render
from facedata.datasets.demo.identity import Identity, draw_identity
from facedata.datasets.demo.materials import REGIONS
from facedata.datasets.demo.shot import DOMAINS, Shot, draw_shot

__all__ = [
    "AUS",
    "DOMAINS",
    "EXPRESSIONS",
    "REGIONS",
    "DemoFace",
    "Identity",
    "Shot",
    "demo_face",
    "demo_faces",
    "draw_identity",
    "draw_shot",
    "face_name",
    "render",
]
