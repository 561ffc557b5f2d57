# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which surface each pixel shows, and which texel of which image.

All arithmetic per pixel is +, -, *, / and sqrt of single precision and of whole numbers, each of
which has one correct result, so that a frame is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.atlas import Atlas, Page
from mfaranet_ros.scenes.finder import Finder
from mfaranet_ros.scenes.images.street import (
    COLUMNS,
    HALF_WIDTH_M,
    ROWS,
    SPAN_M,
    TEXELS_PER_M,
)
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.patches import (
    Meeting,
    Patches,
    meetings,
    no_warnings,
    placed,
    seen_from,
)
from mfaranet_ros.scenes.road import Road, kinds_at
from mfaranet_ros.scenes.things import Pose
from mfaranet_ros.scenes.view import GroundView, Ints, Singles, View
from mfaranet_ros.scenes.world import GROUND, SKY, Snapshot

CHUNK = 1 << 15
"""Number of pixels computed at once, so that their arrays stay in the CPU cache."""

_SHIFT = COLUMNS.bit_length() - 1


@dataclass(frozen=True, eq=False)
class Canvas:
    """What each pixel shows, all (H, W), and the patches there are.

    address: int32, in `Atlas.colors`. number: int16, of the patch, GROUND or SKY.
    distance: float32, in metres along the ray. kinds: uint8, a `Kind` each.
    patches: in base_link.
    """

    address: Ints
    number: NDArray[np.int16]
    distance: Singles
    kinds: NDArray[np.uint8]
    patches: Patches


class Painter:
    """Paints scenes as one camera sees them."""

    def __init__(self, view: View, atlas: Atlas, road: Road) -> None:
        self._view = view
        self._atlas = atlas
        self._road = road
        self._finder = Finder.of(view)
        self.ground = GroundView.of(view, atlas)

    def paint(self, snapshot: Snapshot, pose: Pose) -> Canvas:
        """Return what each pixel shows from a pose of base_link."""
        size, eye = self._view.size, self._view.eye
        patches = seen_from(self._placed(snapshot, pose), eye)
        rectangles, nearest = self._finder.extents(patches, eye)
        seen = np.flatnonzero(rectangles[:, 1] > rectangles[:, 0])
        seen = seen[np.argsort(nearest[seen], kind='stable')]
        patches = patches.only(seen)
        canvas = Canvas(
            self._view.sky_address(self._atlas.sky, pose),
            np.full(size, SKY, np.int16),
            np.full(size, np.inf, np.float32),
            np.full(size, Kind.SKY, np.uint8),
            patches,
        )
        self._paint_ground(canvas, pose)
        near_to_far = zip(
            meetings(patches, eye), rectangles[seen].tolist(), nearest[seen].tolist(), strict=True
        )
        with no_warnings():
            for number, (meeting, rectangle, least) in enumerate(near_to_far):
                for where in _chunks(*rectangle):
                    if canvas.distance[where].max() > least:
                        self._paint_patch(canvas, number, meeting, where)
        if len(patches):
            kinds = snapshot.kinds[patches.thing]
            np.copyto(canvas.kinds, np.take(kinds, canvas.number), where=canvas.number >= 0)
        return canvas

    def _placed(self, snapshot: Snapshot, pose: Pose) -> Patches:
        """Return the surfaces of all things in base_link."""
        eye = pose.to_world(np.array(self._view.eye))
        x, y, cosine, sine = snapshot.poses(float(eye[0]), float(eye[1])).T
        return placed(snapshot.parts, *pose.to_base(x, y), *pose.turn_back(cosine, sine))

    def _paint_patch(
        self, canvas: Canvas, number: int, meeting: Meeting, where: tuple[slice, slice]
    ) -> None:
        """Paint a patch where it is nearer than what is there, within a rectangle."""
        view = self._view
        distance, u, v, met = meeting.rays(view.x[where], view.y[where], view.z[where])
        met &= distance < canvas.distance[where]
        if not met.any():
            return
        page = self._page(canvas.patches.local[number].image, meeting)
        column = (u * np.float32((page.width - 0.01) / meeting.width)).astype(np.int32)
        v -= np.float32(meeting.height)
        row = (v * np.float32((0.01 - page.height) / meeting.height)).astype(np.int32)
        row *= page.width
        row += column
        row += page.start
        np.copyto(canvas.address[where], row, where=met)
        np.copyto(canvas.distance[where], distance, where=met)
        canvas.number[where][met] = number

    def _page(self, image: str, meeting: Meeting) -> Page:
        """Return the size of an image that is fine enough for a patch where it is."""
        pages = self._atlas.pages[image]
        pixel_m = self._view.pixel_rad * meeting.range_m()
        fine = min(meeting.width / pages[0].width, meeting.height / pages[0].height)
        level = 0
        while level + 1 < len(pages) and fine * 2**level * 1.5 < pixel_m:
            level += 1
        return pages[level]

    def _paint_ground(self, canvas: Canvas, pose: Pose) -> None:
        near = self._road.near(pose, SPAN_M)
        ground = self.ground
        for rows, _ in _chunks(ground.rows.start, ground.rows.stop, 0, self._view.size[1]):
            there = slice(rows.start - ground.rows.start, rows.stop - ground.rows.start)
            s, offset = near.coordinates(ground.x[there], ground.y[there])
            below = np.isfinite(ground.distance[there])
            np.copyto(canvas.kinds[rows], kinds_at(s, offset), where=below)
            canvas.number[rows][below] = GROUND
            canvas.distance[rows] = ground.distance[there]
            np.copyto(canvas.address[rows], self._street(there, s, offset), where=below)

    def _street(self, there: slice, s: Singles, offset: Singles) -> Ints:
        """Return the address of places on the street."""
        ground = self.ground
        column = (s * np.float32(TEXELS_PER_M)).astype(np.int32)
        column &= COLUMNS - 1
        column >>= ground.along[there]
        row = ((np.float32(HALF_WIDTH_M) - offset) * np.float32(TEXELS_PER_M)).astype(np.int32)
        np.clip(row, 0, ROWS - 1, out=row)
        row >>= ground.across[there]
        row <<= _SHIFT - ground.along[there]
        row += column
        row += ground.start[there]
        return np.asarray(row)


def _chunks(top: int, bottom: int, left: int, right: int) -> Iterator[tuple[slice, slice]]:
    """Divide a rectangle into strips of about CHUNK pixels."""
    height = max(1, CHUNK // max(1, right - left))
    for first in range(top, bottom if right > left else top, height):
        yield slice(first, min(first + height, bottom)), slice(left, right)
