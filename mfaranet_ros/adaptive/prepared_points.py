# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Builds the operating points of a configuration: tested, warmed up and measured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2

from mfaranet_ros.adaptive.operating_points import (
    OperatingPoint,
    check_order,
    operating_points_of,
)
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError, MfaranetError
from mfaranet_ros.core.frame import Frame, Output
from mfaranet_ros.pipeline.build import Facts, build_processor, prepare
from mfaranet_ros.pipeline.processor import FrameProcessor

logger = logging.getLogger(__name__)

BuildProcessor = Callable[[PipelineConfig], FrameProcessor]

RUNS = 5
"""Timed runs of each operating point; the quickest counts, as others were disturbed."""

USUAL_CAMERA = (720, 1280)
"""Height and width of the image that is measured with before the camera has sent one."""

LEAST_MS = 0.001
"""Lower bound of a measured time, so that the ratio of two is always a number."""


@dataclass(frozen=True, eq=False)
class PreparedPoint:
    """An operating point that is ready for frames.

    measured_ms: from camera bytes to labels, None where it was not measured.
    """

    operating_point: OperatingPoint
    processor: FrameProcessor
    facts: Facts
    measured_ms: float | None = None


@dataclass(frozen=True, eq=False)
class PreparedPoints:
    """The operating points of a configuration, ready for frames, the most costly first.

    left_out: why operating points of the configuration are not among them.
    """

    points: tuple[PreparedPoint, ...]
    left_out: tuple[str, ...] = ()

    def processors(self, config: PipelineConfig) -> tuple[FrameProcessor, ...]:
        """Return their processors with these live settings; what the points decide stays."""
        return tuple(
            point.processor.with_config(point.operating_point.applied_to(config))
            for point in self.points
        )

    def close(self) -> None:
        """Free the device."""
        for point in self.points:
            point.processor.close()


def prepare_points(
    config: PipelineConfig,
    build: BuildProcessor = build_processor,
    *,
    camera: tuple[int, int] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> PreparedPoints:
    """Build, test, warm up and measure the operating points of a configuration.

    camera: height and width of the camera's images, if known. clock_ns: measures them.

    An operating point for which the device has not enough memory is left out if there are others
    to adapt with. Raises ConfigError, with the operating point's name, for anything else that
    cannot be built, is not ordered by cost, or has another label set than the first one.
    """
    adapt = config.latency.adapt
    image = _measuring_frame(camera or USUAL_CAMERA) if adapt or camera else None
    built: list[PreparedPoint] = []
    left_out: list[str] = []
    try:
        for operating_point in operating_points_of(config):
            try:
                built.append(_prepare_point(operating_point, config, build, image))
            except _OutOfMemoryError as error:
                if not adapt:
                    raise
                left_out.append(str(error))
                logger.warning('left out of the operating points: %s', error)
        if not built:
            raise ConfigError(
                'no operating point of latency.operating_points can be built: '
                f'{"; ".join(left_out)}'
            )
        _check_label_sets(built)
        if image is not None:
            built = _measured(built, image, clock_ns)
        if adapt:
            check_order(
                [one.operating_point for one in built], [one.measured_ms or 0.0 for one in built]
            )
    except BaseException:
        PreparedPoints(tuple(built)).close()
        raise
    return PreparedPoints(tuple(built), tuple(left_out))


class _OutOfMemoryError(ConfigError):
    """The device has no memory left for an operating point."""


def _prepare_point(
    operating_point: OperatingPoint,
    config: PipelineConfig,
    build: BuildProcessor,
    image: Frame | None,
) -> PreparedPoint:
    """Build and test one operating point, and run it once on an image of the camera's size."""
    label = str(operating_point)
    processor: FrameProcessor | None = None
    try:
        processor = replace(build(operating_point.applied_to(config)), label=label)
        facts = prepare(processor)
        if image is not None:
            _run(processor, image, Output.MASK, Output.CONFIDENCE)
    except BaseException as error:
        if processor is not None:
            processor.close()
        if _is_out_of_memory(error):
            raise _OutOfMemoryError(f'operating point {label!r}: {error}') from error
        if config.latency.adapt and isinstance(error, MfaranetError):
            raise ConfigError(
                f'latency.operating_points, operating point {label!r}: {error}'
            ) from error
        raise
    return PreparedPoint(operating_point, processor, facts)


def _run(processor: FrameProcessor, image: Frame, *wanted: Output) -> None:
    """Run one image of no camera: its age does not matter, and it shows no own vehicle."""
    replace(processor, now_ns=None, ego_mask=None)(image, wanted)


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, is a lack of memory.

    A backend raises an error with its own message for torch's, so these count as well.
    """
    while error is not None:
        # That of torch is known by its name: a network file runs without torch.
        if isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError':
            return True
        if isinstance(error, MfaranetError) and 'out of memory' in str(error):
            return True
        error = error.__cause__
    return False


def _check_label_sets(built: Sequence[PreparedPoint]) -> None:
    first = built[0]
    for other in built[1:]:
        names = first.processor.label_set.name, other.processor.label_set.name
        if first.processor.label_set.classes != other.processor.label_set.classes:
            raise ConfigError(
                f'latency.operating_points: operating point {str(first.operating_point)!r} has '
                f'the label set {names[0]}, operating point {str(other.operating_point)!r} '
                f'{names[1]}: all operating points must have the same classes'
            )


def _measured(
    built: Sequence[PreparedPoint], image: Frame, clock_ns: Callable[[], int]
) -> list[PreparedPoint]:
    """Return the operating points with their times; they take turns on the same machine."""
    times_ms: list[list[float]] = [[] for _ in built]
    for _ in range(RUNS):
        for one, times in zip(built, times_ms, strict=True):
            start_ns = clock_ns()
            _run(one.processor, image, Output.MASK)
            times.append((clock_ns() - start_ns) / 1e6)
    pairs = zip(built, times_ms, strict=True)
    return [replace(one, measured_ms=max(min(times), LEAST_MS)) for one, times in pairs]


def _measuring_frame(size: tuple[int, int]) -> Frame:
    """Return the frame of the self-test at another height and width."""
    frame = stored_frame()
    return replace(frame, pixels=cv2.resize(frame.pixels, size[::-1]).astype('uint8'))
