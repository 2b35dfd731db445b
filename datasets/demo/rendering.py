"""One picture: identity and shot in, pixels and truth out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facedata.datasets.demo import facial_hair, hair, parts, raster
from facedata.datasets.demo import head as h
from facedata.datasets.demo.actions import Pose, act
from facedata.datasets.demo.backdrop import backdrop
from facedata.datasets.demo.camera import DISTANCE, Camera, rotation, turned, vertex_normals
from facedata.datasets.demo.colour import blackbody, hair_colour, iris_colour, skin_albedo
from facedata.datasets.demo.develop import develop
from facedata.datasets.demo.head import Anatomy, anatomy
from facedata.datasets.demo.identity import Identity
from facedata.datasets.demo.materials import Material, Region
from facedata.datasets.demo.mesh import Grid, Part, head_grid
from facedata.datasets.demo.noise import tables, uniform
from facedata.datasets.demo.sculpt import sculpt
from facedata.datasets.demo.shading import shade
from facedata.datasets.demo.shot import Shot

__all__ = ["Scene", "photograph"]

Floats = NDArray[np.float64]
PIVOT = np.array([0.0, -62.0, -18.0])  # where head turns on neck, mm
CENTRE = np.array([0.0, -12.0, 0.0])  # what the camera looks at
SHADOW_SIZE, SHADOW_SPAN = 288, 330.0


@dataclass(frozen=True)
class Still:
    """What does not change over an identity's pictures."""

    anatomy: Anatomy
    grid: Grid
    attributes: Floats  # (n, 5) of the grid: openness (filled per picture), redness, oil, beard, brow


@lru_cache(maxsize=8)
def still(p: Identity) -> Still:
    """Return the parts of `p` that all pictures share."""
    a = anatomy(p)
    grid = head_grid(a)
    x, y, z = grid.points.T
    ax = np.abs(x)
    v = a.vector
    eye, nose, mouth = v[h.EYE_X], v[h.NOSE_Y], v[h.MOUTH_Y]

    def spot(cx: float, cy: float, rx: float, ry: float) -> Floats:
        return np.asarray(np.exp(-(((ax - cx) / rx) ** 2) - ((y - cy) / ry) ** 2))

    flush = 0.4 + 0.6 * p.blotchiness
    red = flush * (
        0.55 * spot(eye + 8, -32, 17, 15) + 0.65 * spot(0, nose + 9, 13, 10)
        + 0.35 * spot(v[h.NOSE_W], nose + 4, 6, 7) + 0.25 * spot(0, p.face_length * -0.9, 15, 10)
        + 0.25 * spot(eye, 7, 15, 5) + 0.35 * spot(eye - 10, -9, 12, 5)
    ) - 0.15 * spot(0, 50, 45, 20)  # fmt: skip
    oil = 0.35 + 0.8 * p.oiliness * (
        0.8 * spot(0, 48, 34, 22) + 0.9 * spot(0, nose + 15, 9, 26)
        + 0.5 * spot(eye + 10, -18, 14, 9) + 0.5 * spot(0, mouth - 26, 12, 9)
    )  # fmt: skip
    t = np.clip((ax - (eye - v[h.EYE_HALF] - 0.5)) / (2 * v[h.EYE_HALF] + 6.0), 0.0, 1.0)
    bx, by, thick = facial_hair.brow_curve(a, t)
    inside = np.clip(1.0 - (np.hypot(ax - bx, y - by) / thick - 0.55) / 0.9, 0.0, 1.0)
    brow = np.where(z > 0, inside, 0.0)
    beard = np.where(z > -20, facial_hair.beard_density(p, x, y), 0.0)
    attributes = np.stack([np.ones(len(x)), red, oil, beard, brow], axis=1)
    return Still(a, grid, attributes)


def _openness(points: Floats, normals: Floats, shape: tuple[int, int]) -> Floats:
    """Return how open each point of the grid is to the sky (0..1), from how far its surroundings stand out.

    Height of the smoothed surface over the point, at three scales; an ambient-occlusion estimate that follows
    every expression since it is taken from the geometry.
    """
    grid = points.reshape(*shape, 3).astype(np.float32)
    out = np.ones(len(points))
    for sigma, gain in ((1.6, 0.26), (4.0, 0.11), (10.0, 0.035)):
        soft = cv2.GaussianBlur(grid, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        rise = np.einsum("ij,ij->i", soft.reshape(-1, 3) - points, normals)
        out *= np.exp(-gain * np.maximum(rise, 0.0))
        out *= 1.0 + np.minimum(0.25 * gain * np.maximum(-rise, 0.0), 0.06)
    return np.asarray(np.clip(out, 0.04, 1.0))


@dataclass(frozen=True)
class Scene:
    """All triangles of a picture, in camera space, and what the truth is read from."""

    anatomy: Anatomy
    pose: Pose
    turn: Floats  # (3, 3), of the head
    points: Floats
    normals: Floats
    faces: NDArray[np.int32]
    material: NDArray[np.uint8]
    canon: Floats
    attributes: Floats
    skin: NDArray[np.bool_]  # of the first points, those of the face between hairline and chin

    def head_to_camera(self, points: Floats) -> Floats:
        """Return points of the head (n, 3) in camera space."""
        return np.asarray(turned(points, self.turn, -PIVOT, PIVOT - CENTRE))


def build(p: Identity, shot: Shot) -> Scene:
    """Return the scene: head, parts, neck and clothes, posed."""
    s = still(p)
    a, grid = s.anatomy, s.grid
    pose = act(a, dict(shot.units), p.asymmetry)
    face = sculpt(grid.points, grid.side, a.vector, pose.bumps, pose.grooves, pose.lids, pose.jaw)
    face[:, 2] -= grid.roll[:, 0]
    face[:, 1] += grid.roll[:, 1]
    normals = vertex_normals(face, grid.faces)
    _weld(normals, grid, a.vector[h.MOUTH_X])
    attributes = s.attributes.copy()
    sky = _openness(face, normals, grid.shape)
    # Under the jaw and inside the lips little sky is seen.
    chin = a.vector[h.CHIN_Y]
    y, z = grid.points[:, 1], grid.points[:, 2]
    sky *= 1.0 - 0.55 * np.clip((chin + 14.0 - y + (60.0 - z) * 0.55) / 40.0, 0.0, 1.0) * (z < 86) * (y < -50)
    sky *= np.exp(-grid.roll[:, 0] / 2.5)
    attributes[:, 0] = sky
    turn = rotation(shot.yaw, shot.pitch, shot.roll)
    place = PIVOT - CENTRE
    lean = rotation(0.3 * shot.yaw, 0.1 * shot.pitch, 0.25 * shot.roll)
    skin = Part(face, grid.faces, Material.SKIN, grid.canon)
    own = [
        skin,
        *parts.ears(a, p),
        *parts.eyes(a, pose),
        *parts.mouth(a, pose),
        *parts.glasses(a, p),
        *hair.shell(p),
    ]
    below = parts.body(p, shot.cloth)
    points, all_normals, faces, material, canon, extra = [], [], [], [], [], []
    start = 0
    for part in (*own, *below):
        local = part.points
        if part.material in (Material.NECK, Material.CLOTH):
            # The neck twists from the head's turn at its top to the body's at its root.
            t = np.clip((local[:, 1:2] + 150.0) / 85.0, 0.0, 1.0)
            t = t * t * (3 - 2 * t)
            q = t * turned(local, turn, -PIVOT, place) + (1 - t) * turned(local, lean, -PIVOT, place)
        else:
            q = turned(local, turn, -PIVOT, place)
        n = (
            turned(normals, turn, np.zeros(3), np.zeros(3))
            if part is skin
            else vertex_normals(np.ascontiguousarray(q), part.front)
        )
        if part is skin:
            block = attributes
        else:
            block = np.zeros((len(local), 5))
            block[:, 0] = _part_sky(part)
            block[:, 2] = 0.35
        points.append(q)
        all_normals.append(n)
        faces.append(part.faces + start)
        material.append(np.full(len(part.faces), part.material, np.uint8))
        canon.append(part.canon)
        extra.append(block)
        start += len(local)
    # The face's own skin: in front, under the hairline, over the chin.
    shown = (y < 0.585 * p.cranium_height) & (y > chin - 2.0) & (z > 10.0)
    return Scene(
        a, pose, turn, np.concatenate(points), np.concatenate(all_normals),
        np.concatenate(faces).astype(np.int32), np.concatenate(material), np.concatenate(canon),
        np.concatenate(extra), shown,
    )  # fmt: skip


def _part_sky(part: Part) -> Floats:
    y = part.points[:, 1]
    if part.material == Material.NECK:
        return np.asarray(np.clip(0.20 + 0.80 * (-62.0 - y) / 75.0, 0.16, 0.9))
    if part.material == Material.EAR:
        return np.asarray(np.clip(0.80 + 0.085 * part.canon[:, 1], 0.25, 1.0))
    if part.material == Material.CLOTH:
        return np.asarray(np.clip(0.55 + 0.45 * (-150.0 - y) / 40.0, 0.5, 1.0))
    return np.full(len(y), 0.8)


def _weld(normals: Floats, grid: Grid, half: float) -> None:
    """Give the two sides of the mouth's line one normal where it is no opening, but cheek."""
    rows, columns = grid.shape
    n = normals.reshape(rows, columns, 3)
    upper = np.nonzero(grid.side.reshape(rows, columns)[:, 0] != 0)[0]
    outside = np.abs(grid.points.reshape(rows, columns, 3)[upper[0], :, 0]) >= half
    mean = n[upper[0]] + n[upper[-1]]
    mean /= np.linalg.norm(mean, axis=1, keepdims=True) + 1e-12
    for row in upper:
        n[row, outside] = mean[outside]


def _direction(azimuth: float, elevation: float) -> Floats:
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


@dataclass(frozen=True)
class Light:
    """Key, fill and surroundings: directions towards the lamps and linear colours."""

    key: Floats
    key_colour: Floats
    fill: Floats
    fill_colour: Floats
    ambient: Floats


def light(shot: Shot) -> Light:
    """Return the shot's lamps. Powers are set so that a lit white diffuser shows near 1."""
    key = _direction(shot.key_azimuth, shot.key_elevation)
    fill = _direction(-0.75 * shot.key_azimuth - (20 if shot.key_azimuth > 0 else -20), 8.0)
    power = 1.5 * shot.key_power
    return Light(
        key,
        power * blackbody(shot.key_kelvin),
        fill,
        power / shot.fill_ratio * blackbody(shot.fill_kelvin),
        1.35 * shot.ambient * blackbody(shot.ambient_kelvin),
    )


def _numbers(p: Identity, shot: Shot, lamps: Light, eye_r: float) -> Floats:
    skin = skin_albedo(p.melanin, 0.35 + 0.5 * p.haemoglobin)
    lip = skin_albedo(0.75 * p.melanin + 0.10, 1.5 + 0.8 * p.haemoglobin) * np.array([0.86, 0.80, 0.86])
    hue = p.lipstick_hue
    stick = np.array([0.40 - 0.15 * hue, 0.05 + 0.04 * (1 - hue), 0.06 + 0.05 * hue]) * (
        1.0 - 0.5 * p.melanin
    )
    lip = lip + 0.8 * p.lipstick * (stick - lip)
    tint = hair_colour(p.hair_melanin, p.hair_red, p.hair_grey)
    beard = 0.45 * hair_colour(min(1.0, p.hair_melanin + 0.08), p.hair_red, 0.6 * p.hair_grey) + 0.22 * skin
    shadow = skin * np.array([0.50, 0.36, 0.42])
    gaze = eye_r * np.tan(np.radians(np.array(shot.gaze)))
    bright = lamps.ambient.mean() + 0.3
    frame = np.array([0.02, 0.02, 0.022]) if p.glasses_colour < 0.6 else np.array([0.16, 0.07, 0.03])
    if p.glasses == "rimless":
        frame = np.array([0.35, 0.33, 0.30])
    return np.concatenate([
        lamps.key, lamps.key_colour, lamps.fill, lamps.fill_colour, lamps.ambient,
        [shot.rim, shot.key_softness],
        skin, lip, [p.blotchiness, p.freckles], iris_colour(p.eye_melanin),
        [p.iris_radius, 3.0 - 1.5 * min(1.0, bright)], gaze, tint, shot.cloth_colour, frame, shadow,
        [0.7 * p.eye_shadow, p.lipstick], beard,
    ])  # fmt: skip


@dataclass(frozen=True)
class Negative:
    """A developed picture and its region mask, both at the picture's size."""

    image: NDArray[np.uint8]
    regions: NDArray[np.uint8]
    scene: Scene
    camera: Camera


def photograph(p: Identity, shot: Shot, size: int) -> Negative:
    """Render `p` in `shot` at `size` pixels, twice supersampled in x and y."""
    scene = build(p, shot)
    fine = 2 * size
    camera = Camera(fine, shot.scale, shot.shift)
    screen = camera.project(scene.points)
    v = scene.anatomy.vector
    eye = np.array([v[h.EYE_X], v[h.EYE_HALF], v[h.TILT]])
    depth = np.full((fine, fine), 1e9, np.float32)
    hit = np.full((fine, fine), -1, np.int32)
    weight = np.zeros((fine, fine, 2), np.float32)
    raster.rasterise(
        screen, scene.faces, scene.material, scene.canon, scene.pose.lids, eye, depth, hit, weight
    )
    lamps = light(shot)
    light_space, shadow = _shadow(scene, lamps)
    image = np.zeros((fine, fine, 3), np.float32)
    region = np.zeros((fine, fine), np.uint8)
    q = _numbers(p, shot, lamps, float(v[h.EYE_R]))
    shade(
        hit, weight, scene.faces, scene.material, scene.points, scene.normals, scene.canon, scene.attributes,
        light_space, shadow, DISTANCE, tables(p.seed % 8), scene.pose.lids, v, q, image, region,
    )  # fmt: skip
    cover = (region > 0).astype(np.float32)
    _draw_hair(p, scene, camera, lamps, depth, image, region)
    cover = np.maximum(cover, (region > 0).astype(np.float32))
    small = cv2.resize(image * cover[..., None], (size, size), interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(cover, (size, size), interpolation=cv2.INTER_AREA)[..., None]
    linear = small + (1.0 - alpha) * backdrop(shot, size)
    outer = Camera(size, shot.scale, shot.shift)
    return Negative(develop(np.asarray(linear, np.float32), shot), majority(region), scene, outer)


def _shadow(scene: Scene, lamps: Light) -> tuple[Floats, NDArray[np.float32]]:
    """Return every point in the light's pixels and the depth map the light sees."""
    z = lamps.key
    x = np.cross(np.array([0.0, 1.0, 0.0]), z)
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    k = SHADOW_SIZE / SHADOW_SPAN
    local = turned(scene.points, np.stack([x, y, z]), np.zeros(3), np.zeros(3))
    space = np.stack(
        [SHADOW_SIZE / 2 + k * local[:, 0], SHADOW_SIZE / 2 - k * local[:, 1], -local[:, 2]], axis=1
    )
    casts = np.isin(
        scene.material,
        (Material.SKIN, Material.EAR, Material.NECK, Material.HAIR, Material.FRAME, Material.CLOTH),
    ).astype(np.uint8)
    depth = np.full((SHADOW_SIZE, SHADOW_SIZE), 1e9, np.float32)
    raster.shadow_depth(np.ascontiguousarray(space), scene.faces, casts, depth)
    return np.ascontiguousarray(space), depth


def _draw_hair(
    p: Identity, scene: Scene, camera: Camera, lamps: Light, depth: Any, image: Any, region: Any
) -> None:
    tint = hair_colour(p.hair_melanin, p.hair_red, p.hair_grey)
    dark = hair_colour(min(1.0, p.hair_melanin * 0.9 + 0.15), 0.7 * p.hair_red, 0.5 * p.hair_grey)
    lash = hair_colour(0.55 + 0.45 * p.hair_melanin, 0.3 * p.hair_red, 0.0)
    per_mm = camera.pixels_per_mm

    def draw(
        local: Floats,
        tone: Floats,
        colour: Floats,
        thick: float,
        alpha: float,
        code: int,
        bias: float,
        gloss: float,
    ) -> None:
        if not len(local):
            return
        shape = local.shape
        space = scene.head_to_camera(local.reshape(-1, 3))
        lit = hair.shade_strands(
            np.ascontiguousarray(space.reshape(shape)), tone, colour, lamps.key, lamps.key_colour, lamps.fill,
            lamps.fill_colour, lamps.ambient, DISTANCE, gloss,
        )  # fmt: skip
        screen = camera.project(space).reshape(shape)
        width = np.full(shape[0], max(0.35, thick * per_mm))
        raster.strands(screen, lit, width, np.full(shape[0], alpha), code, bias, depth, image, region)

    strands, thick = facial_hair.beard_strands(scene.anatomy, scene.pose, p)
    draw(strands, 0.7 + 0.6 * uniform(p.seed, 90, len(strands)), dark, thick, 0.8, 0, 1.2, 0.4)
    for n, (strands, thick, alpha) in enumerate(facial_hair.brows_and_lashes(scene.anatomy, scene.pose, p)):
        tone = 0.7 + 0.5 * uniform(p.seed, 91 + n, len(strands))
        draw(
            strands,
            tone * (0.75 if n == 0 else 0.5),
            dark if n == 0 else lash,
            thick,
            alpha,
            0,
            1.5,
            0.3 if n == 0 else 0.0,
        )
    strands, tone = hair.scalp_hair(p)
    fine = 0.85 if p.hair_style in ("long", "bob", "swept", "tied") else 0.6
    draw(strands, tone, tint, fine, 1.0, int(Region.HAIR), 1.5, 1.0)


def majority(region: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the region most of each 2 x 2 block shows; of equals, the one at the block's top left."""
    a, b, c, d = region[0::2, 0::2], region[0::2, 1::2], region[1::2, 0::2], region[1::2, 1::2]
    out = a.copy()
    pair = (b == c) & (a != b) & (a != d) | (b == d) & (a != b) & (a != c) | (b == c) & (c == d)
    out[pair] = b[pair]
    last = (c == d) & (a != c) & (a != b) & (b != c)
    out[last] = c[last]
    return out
