# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The way of a frame on one screen: message -> frame -> tensor -> logits -> labels -> drivable.

The live node, the evaluation, the demo and the benchmark call this very object; build.py makes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mfaranet_ros.backends.network import Network
from mfaranet_ros.backends.protocol import Backend
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import StaleFrame
from mfaranet_ros.core.frame import (
    CONFIDENT_OUTPUTS,
    METRIC_OUTPUTS,
    Frame,
    Geometry,
    MessageLike,
    Output,
    Result,
    Timings,
)
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.geometry.attitude_source import AttitudeLookup
from mfaranet_ros.geometry.ground_source import Ground, GroundLookup
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.pipeline.ego_mask import EgoMask, without_own
from mfaranet_ros.pipeline.stages import Postprocess, Preprocess

MASK = frozenset({Output.MASK})


@dataclass(frozen=True, eq=False)
class FrameProcessor:
    """Turns images into results; changes nothing it was given and remembers no frame.

    network: label set, normalisation and weights. backend, preprocess, postprocess: made for it.
    config: the settings in force; a change is a new processor by `with_config`.
    label: the operating point, as diagnostics and reports name it.
    ground: finds the ground under a frame; without it the metric outputs are None.
    now_ns: the clock by which frames are too old; without it no frame is.
    attitude: tilts the ground as the vehicle is tilted; without it the mounting is rigid.
    ego_mask: the own vehicle in the image, which is unlabeled and counts as out of view.
    """

    network: Network
    backend: Backend
    preprocess: Preprocess
    postprocess: Postprocess
    config: PipelineConfig
    label: str = ''
    ground: GroundLookup | None = None
    now_ns: Callable[[], int] | None = None
    attitude: AttitudeLookup | None = None
    ego_mask: EgoMask | None = None

    def __call__(self, image: MessageLike | Frame, wanted: Iterable[Output] = MASK) -> Result:
        """Segment one image: a ROS-like message, or a frame that is decoded already.

        wanted: the outputs that will be used; nothing else is computed (labels always are).
        Raises DecodeError, StaleFrame or InferenceError; the next image may succeed.
        """
        return self.batch((image,), wanted)[0]

    def batch(
        self, images: Sequence[MessageLike | Frame], wanted: Iterable[Output] = MASK
    ) -> tuple[Result, ...]:
        """Segment images, those of one input size in one run of the network; see `__call__`."""
        wanted = frozenset(wanted)
        results: dict[int, Result] = {}
        for index, answer in process_together([Job(self, image, wanted) for image in images]):
            if isinstance(answer, Exception):
                raise answer
            results[index] = answer
        return tuple(results[index] for index in range(len(images)))

    def _read(self, image: MessageLike | Frame) -> _Input:
        lap, decode_ms = Laps(), None
        if isinstance(image, Frame):
            frame = image
        else:
            frame, decode_ms = decode(image), lap()
        self._check_age(frame, Timings(decode_ms))
        tensor, geometry = self.preprocess(frame)
        return _Input(frame, tensor, geometry, Timings(decode_ms, lap()))

    def _find(
        self, given: _Input, logits: Any, inference_ms: float, wanted: frozenset[Output]
    ) -> Result:
        config, frame, lap = self.config, given.frame, Laps()
        mask_size = given.geometry.mask_size(config.output.resolution)
        ground = Ground(None)
        if self.ground is not None and not wanted.isdisjoint(METRIC_OUTPUTS):
            ground = self.ground.at(frame, mask_size, config.ground)
        if ground.projection is None:
            wanted -= METRIC_OUTPUTS
        unsure = config.drivable.min_confidence > 0 and not wanted.isdisjoint(CONFIDENT_OUTPUTS)
        ground_ms = lap()
        with_confidence = unsure or Output.CONFIDENCE in wanted
        labels, confidence = self.postprocess(
            logits,
            given.geometry,
            resolution=config.output.resolution,
            with_confidence=with_confidence and self.network.has_confidence,
        )
        own = None
        if self.ego_mask is not None:
            own = self.ego_mask.at(mask_size, frame.size)
            labels, confidence = without_own(labels, confidence, own)
        postprocess_ms = lap()
        if self.attitude is not None and ground.projection is not None:
            ground = self.attitude.level(
                ground, frame, labels, self.label_set.roles, config.ground
            )
        drivable, parts = find_drivable(
            labels,
            confidence,
            self.label_set.roles,
            config.drivable,
            wanted,
            ground.projection,
            own,
        )
        timings = dataclasses.replace(
            given.timings,
            inference_ms=inference_ms,
            postprocess_ms=postprocess_ms,
            drivable_ms=ground_ms + lap(),
            drivable_mask_ms=parts.mask_ms,
            grid_ms=parts.grid_ms,
            boundary_ms=parts.boundary_ms,
            points_ms=parts.points_ms,
        )
        self._check_age(frame, timings)
        drivable = dataclasses.replace(
            drivable,
            problem=ground.problem,
            metric_range_m=ground.metric_range_m,
            range_reason=ground.range_reason,
            mount_problem=ground.mount_problem,
        )
        return Result(frame, labels, confidence, drivable, timings)

    def _check_age(self, frame: Frame, timings: Timings) -> None:
        max_age_ms = self.config.latency.max_age_ms
        if self.now_ns is not None and max_age_ms > 0:
            age_ms = (self.now_ns() - frame.stamp_ns) / 1e6
            if age_ms > max_age_ms:
                raise StaleFrame(frame, age_ms, max_age_ms, timings)

    @property
    def label_set(self) -> LabelSet:
        """What the values of the masks mean."""
        return self.network.label_set

    def with_config(self, config: PipelineConfig) -> FrameProcessor:
        """Return this processor with other live settings; network and backend stay the same."""
        return dataclasses.replace(self, config=config)

    def close(self) -> None:
        """Free the device."""
        self.backend.close()


@dataclass(frozen=True, eq=False)
class Job:
    """One image of a round: the processor whose settings and ground count, and what is wanted."""

    processor: FrameProcessor
    image: MessageLike | Frame
    wanted: frozenset[Output]


Answer = tuple[int, Result | Exception]
"""The index of a job, and its result or its error."""


def process_together(jobs: Sequence[Job]) -> Iterator[Answer]:
    """Segment images of several cameras, those of one input size in one run of the network.

    Yields each answer as soon as it is there, so that it is not older by the work for the others.
    The processors of all jobs have the same backend. An image that fails has its error in place
    of a result, and changes nothing for the others: a run that fails is repeated image by image.
    """
    inputs: dict[int, _Input] = {}
    for index, job in enumerate(jobs):
        try:
            inputs[index] = job.processor._read(job.image)
        except Exception as error:
            yield index, error
    for indices in _by_input_size(inputs):
        yield from _run(jobs, inputs, indices)


def _run(
    jobs: Sequence[Job], inputs: Mapping[int, _Input], indices: Sequence[int]
) -> Iterator[Answer]:
    """Yield the answers of the jobs with these indices, whose inputs have one size."""
    tensors = [inputs[index].tensor for index in indices]
    lap = Laps()
    try:
        first = jobs[indices[0]].processor
        logits = first.backend(tensors[0] if len(tensors) == 1 else first.preprocess.join(tensors))
    except Exception as error:
        if len(indices) == 1:
            yield indices[0], error
            return
        for index in indices:
            yield from _run(jobs, inputs, (index,))
        return
    inference_ms = lap()
    for row, index in enumerate(indices):
        job, part = jobs[index], logits[row : row + 1]
        answer: Result | Exception
        try:
            answer = job.processor._find(inputs[index], part, inference_ms, job.wanted)
        except Exception as error:
            answer = error
        yield index, answer


@dataclass(frozen=True, eq=False)
class _Input:
    """A frame ready for the network, as its backend takes it: a batch of one."""

    frame: Frame
    tensor: Any
    geometry: Geometry
    timings: Timings


def _by_input_size(inputs: Mapping[int, _Input]) -> Iterable[list[int]]:
    """Return the indices of the inputs, those of equal height and width together."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, one in inputs.items():
        groups.setdefault(one.geometry.input, []).append(index)
    return groups.values()
