# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where frames are fixed on the vehicle, by the static transforms of a recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.data.bags.reader import TF, Bag

STATIC = '/tf_static'

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True)
class Transform:
    """The pose of a frame in another. translation: metres; quaternion: x, y, z, w, of length 1."""

    translation: Vector = (0.0, 0.0, 0.0)
    quaternion: Quaternion = (0.0, 0.0, 0.0, 1.0)

    def then(self, other: Transform) -> Transform:
        """Return the pose that a frame has here, whose pose in this frame is `other`."""
        moved = _rotate(self.quaternion, other.translation)
        x, y, z = (a + b for a, b in zip(self.translation, moved, strict=True))
        return Transform((x, y, z), _multiply(self.quaternion, other.quaternion))

    def inverse(self) -> Transform:
        """Return the transform in the opposite direction."""
        x, y, z, w = self.quaternion
        back = (-x, -y, -z, w)
        dx, dy, dz = _rotate(back, self.translation)
        return Transform((-dx, -dy, -dz), back)


class StaticTransforms:
    """The fixed frames of a vehicle, by the names of parent and child; the last one said holds."""

    def __init__(self, messages: Iterable[MessageLike]) -> None:
        self._edges: dict[str, dict[str, Transform]] = {}
        for message in messages:
            for item in message.transforms:
                self._add(item)

    def _add(self, item: MessageLike) -> None:
        parent, child = _name(item.header.frame_id), _name(item.child_frame_id)
        move, turn = item.transform.translation, item.transform.rotation
        length = float(np.linalg.norm((turn.x, turn.y, turn.z, turn.w)))
        if not parent or not child or not np.isfinite(length) or length == 0:
            return
        pose = Transform(
            (float(move.x), float(move.y), float(move.z)),
            (turn.x / length, turn.y / length, turn.z / length, turn.w / length),
        )
        self._edges.setdefault(parent, {})[child] = pose
        self._edges.setdefault(child, {})[parent] = pose.inverse()

    def find(self, base: str, frame: str) -> Transform | None:
        """Return the pose of a frame in the base frame; None where no fixed chain joins them."""
        base, frame = _name(base), _name(frame)
        found = {base: Transform()}
        waiting = deque([base])
        while waiting and frame not in found:
            here = waiting.popleft()
            for name, pose in self._edges.get(here, {}).items():
                if name not in found:
                    found[name] = found[here].then(pose)
                    waiting.append(name)
        return found.get(frame)


def static_transforms(bag: Bag) -> StaticTransforms:
    """Read /tf_static of a recording; without that topic there are no transforms."""
    topic = bag.topics.get(STATIC)
    if topic is None or topic.type != TF or not topic.count:
        return StaticTransforms(())
    return StaticTransforms(item.message for item in bag.messages([STATIC]))


def _name(frame_id: str) -> str:
    return str(frame_id).lstrip('/')


def _multiply(first: Quaternion, second: Quaternion) -> Quaternion:
    ax, ay, az, aw = first
    bx, by, bz, bw = second
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _rotate(turn: Quaternion, point: Vector) -> Vector:
    x, y, z, w = turn
    back = (-x, -y, -z, w)
    rotated = _multiply(_multiply(turn, (*point, 0.0)), back)
    return rotated[:3]
