# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One grid of all cameras of a vehicle, with a memory where the ego motion is known.

The live rig and the evaluation of bags call this very object. Times are stamps of images; it reads
no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import FusionConfig
from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.frame import GroundEvidence, GroundGrid
from mfaranet_ros.geometry.ego_motion import EgoPose, EgoTrack
from mfaranet_ros.geometry.fusion import UNSEEN, LogOdds, Mask, cells_of, fuse
from mfaranet_ros.geometry.grid_memory import GridMemory
from mfaranet_ros.geometry.ground import GridLayout


@dataclass(frozen=True, eq=False)
class FusedGrid:
    """The ground around the vehicle at the stamp of the newest image.

    certainty: int8 of the shape of the cells, 0 (nothing known) to 100.
    no_memory: why it holds nothing but the newest image of each camera; '' where it remembers.
    waiting: the cameras whose newest image is not in it, because the ego motion at its stamp is
        not known; it is added once it is.
    """

    grid: GroundGrid
    certainty: NDArray[np.int8]
    stamp_ns: int
    no_memory: str = ''
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Look:
    evidence: GroundEvidence
    stamp_ns: int


class RigGrid:
    """Fuses what several cameras say about the ground; one thread at a time may use it.

    layout: of the grid, the same for all cameras. cameras: their names.
    track: takes the ego motion as it comes.
    """

    def __init__(self, layout: GridLayout, config: FusionConfig, cameras: Iterable[str]) -> None:
        self.track = EgoTrack()
        self._layout = layout
        self._config = config
        self._tilt_std_rad = math.radians(config.tilt_std_deg)
        self._numbers = {name: number for number, name in enumerate(cameras)}
        self._memory = GridMemory(layout, config.fade_s, config.keep_s)
        self._newest: dict[str, _Look] = {}
        self._new: dict[str, _Look] = {}
        self._lost: dict[str, GroundEvidence] = {}
        self._jumps = 0

    @property
    def stamps_ns(self) -> dict[str, int]:
        """The stamp of the newest image of each camera whose sector is known."""
        return {name: look.stamp_ns for name, look in self._newest.items()}

    def take(self, camera: str, evidence: GroundEvidence, stamp_ns: int) -> None:
        """Take what an image of a camera says; an image older than its last one is ignored."""
        before = self._newest.get(camera)
        if before is not None and stamp_ns <= before.stamp_ns:
            return
        self._newest[camera] = self._new[camera] = _Look(evidence, stamp_ns)
        self._lost.pop(camera, None)

    def lose(self, camera: str) -> bool:
        """Let the sector of a camera be unseen; return whether it was known until now."""
        look = self._newest.pop(camera, None)
        self._new.pop(camera, None)
        if look is None:
            return False
        self._lost[camera] = look.evidence
        return True

    def expire(self, now_ns: int, timeout_ns: int) -> list[str]:
        """Lose the cameras without a new image for this long; return their names."""
        old = [name for name, look in self._newest.items() if now_ns - look.stamp_ns > timeout_ns]
        return [name for name in old if self.lose(name)]

    def clear(self) -> None:
        """Forget everything, as after a jump of the clock."""
        self._newest.clear()
        self._new.clear()
        self._lost.clear()
        self._memory.clear()
        self.track.clear()

    def fuse(self) -> FusedGrid | None:
        """Return the grid at the stamp of the newest image; None while no camera is known."""
        if not self._newest:
            self._memory.clear()
            return None
        stamp_ns = max(look.stamp_ns for look in self._newest.values())
        try:
            log_odds, problem = self._remembered(stamp_ns), ''
            waiting = tuple(self._new)
        except CalibrationError as error:
            waiting = ()
            looks = [look.evidence for look in self._newest.values()]
            log_odds, problem = fuse(looks, self._tilt_std_rad), f'no memory: {error}'
        fused, layout = cells_of(log_odds), self._layout
        grid = GroundGrid(fused.cells, layout.resolution_m, layout.x_min_m, layout.y_min_m)
        return FusedGrid(grid, fused.certainty, stamp_ns, problem, waiting)

    def _remembered(self, stamp_ns: int) -> LogOdds:
        """Return what is known with the memory; raises CalibrationError without ego motion.

        Images for whose stamp the pose is not known stay in `_new`. What is remembered stays too,
        and ages.
        """
        if self._config.memory == 'none':
            raise CalibrationError('fusion.memory is none')
        if self.track.jumps != self._jumps:
            self._jumps = self.track.jumps
            self._memory.clear()
        pose = self.track.at(stamp_ns)
        new: dict[int, tuple[GroundEvidence, EgoPose]] = {}
        for name, look in tuple(self._new.items()):
            try:
                new[self._numbers[name]] = look.evidence, self.track.at(look.stamp_ns)
            except CalibrationError:
                continue
            del self._new[name]
        if new:
            self._memory.update(new, stamp_ns, pose, self._tilt_std_rad)
        dark = self._dark()
        if dark is not None:
            self._memory.forget(dark, pose)
        log_odds = self._memory.around(pose)
        log_odds[self._covered(stamp_ns) & (log_odds < 0)] = 0.0
        return log_odds

    def _covered(self, stamp_ns: int) -> Mask:
        """Return the cells that are covered at this moment, without the rounding of the memory."""
        covered = np.zeros(self._layout.shape, np.bool_)
        seen = np.zeros(self._layout.shape, np.bool_)
        for look in self._newest.values():
            if look.stamp_ns == stamp_ns:
                covered |= look.evidence.covered
                seen |= look.evidence.grid.cells != UNSEEN
        return covered & ~seen

    def _dark(self) -> Mask | None:
        """Return the cells that only lost cameras would see, None without such a camera."""
        if not self._lost:
            return None
        dark = np.zeros(self._layout.shape, np.bool_)
        for evidence in self._lost.values():
            dark.reshape(-1)[evidence.in_view] = True
        for look in self._newest.values():
            dark.reshape(-1)[look.evidence.in_view] = False
        return dark
