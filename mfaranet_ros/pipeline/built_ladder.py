"""The ladder as it stands ready: for each rung a pipeline, built, tested, warm and measured.

All rungs are built at once, so that changing from one to another between two frames costs
nothing. Which one is in force is the controller's choice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import torch

from mfaranet_ros.errors import ConfigError, MfaranetError
from mfaranet_ros.frame import Frame, Output
from mfaranet_ros.pipeline.config import LatencyConfig, PipelineConfig
from mfaranet_ros.pipeline.controller import Controller
from mfaranet_ros.pipeline.ladder import LadderState, Rung, check_order, rungs_of
from mfaranet_ros.pipeline.monitor import PROCESSING
from mfaranet_ros.pipeline.provenance import Facts
from mfaranet_ros.pipeline.segmentation import SegmentationPipeline
from mfaranet_ros.pipeline.stored_frame import stored_frame

logger = logging.getLogger(__name__)

BuildPipeline = Callable[[PipelineConfig], SegmentationPipeline]

RUNS = 5
"""How often each rung is measured; the quickest run counts, since in the others the machine was
busy with something else."""

USUAL_CAMERA = (720, 1280)
"""Height and width of the picture that is measured with before the camera has sent one."""

LEAST_MS = 0.001
"""No rung counts as quicker, so that the ratio of two is always a number."""

RUNG_STAGES = ('preprocess', 'inference', 'postprocess')
"""The stages whose time the rung decides on; the others take the same on every rung."""


@dataclass(frozen=True)
class BuiltRung:
    """A rung that can take a frame at any time. measured_ms: from the camera's bytes to labels,
    None where it was not measured."""

    rung: Rung
    pipeline: SegmentationPipeline
    facts: Facts
    measured_ms: float | None = None


class BuiltLadder:
    """Rungs that stand ready, one of which is in force.

    rungs: at least one; all of them measured where there is more than one.
    adapt: whether the rung in force follows the latency.
    left_out: why rungs of the config are not there, in words.
    """

    def __init__(
        self, rungs: Sequence[BuiltRung], *, adapt: bool = False, left_out: Sequence[str] = ()
    ) -> None:
        self.rungs = tuple(rungs)
        self.left_out = tuple(left_out)
        self.changes = 0
        costs_ms = [rung.measured_ms for rung in rungs if rung.measured_ms is not None]
        self._controller = Controller(costs_ms) if adapt else None

    @property
    def number(self) -> int:
        """The number of the rung in force, from 0."""
        return self._controller.rung if self._controller else 0

    @property
    def in_force(self) -> BuiltRung:
        """The rung for the next frame."""
        return self.rungs[self.number]

    @property
    def pipeline(self) -> SegmentationPipeline:
        """The pipeline for the next frame."""
        return self.in_force.pipeline

    def configure(self, config: PipelineConfig) -> None:
        """Use changed settings from the next frame on, but what the rungs are stays."""
        for built in self.rungs:
            built.pipeline.config = built.rung.applied_to(config)

    def account(self, stage_ms: Mapping[str, float], latency: LatencyConfig, now_s: float) -> bool:
        """Take the times of a frame on the rung in force; say whether another one is now.

        stage_ms: PROCESSING and the stages in it. now_s: on a clock that only goes forward.
        """
        if self._controller is None:
            return False
        before = self._controller.rung
        rung_ms = sum(stage_ms.get(stage, 0.0) for stage in RUNG_STAGES)
        number = self._controller.take(
            now_s,
            rung_ms,
            max(0.0, stage_ms[PROCESSING] - rung_ms),
            budget_ms=latency.budget_ms,
            period_s=latency.adapt_period_s,
        )
        self.changes += number != before
        return number != before

    def state(self) -> LadderState:
        """Say what stands ready and what is in force."""
        return LadderState(
            rungs=tuple(str(built.rung) for built in self.rungs),
            measured_ms=tuple(built.measured_ms for built in self.rungs),
            number=self.number,
            adapt=self._controller is not None,
            changes=self.changes,
        )

    def close(self) -> None:
        """Free the device."""
        for built in self.rungs:
            built.pipeline.close()


def build_ladder(
    config: PipelineConfig,
    build_pipeline: BuildPipeline = SegmentationPipeline,
    *,
    camera: tuple[int, int] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> BuiltLadder:
    """Build, test, warm up and measure what a config asks for.

    camera: height and width of the camera's pictures, if they are known.
    clock_ns: measures the rungs.

    A rung for which the device has not enough memory is left out if there are others to adapt
    with. Raises ConfigError, with the rung's name, for all else that cannot be built, is not
    ordered by cost, or has another label set than the first rung.
    """
    adapt = config.latency.adapt
    street = _street(camera or USUAL_CAMERA) if adapt or camera else None
    built: list[BuiltRung] = []
    left_out: list[str] = []
    try:
        for rung in rungs_of(config):
            try:
                built.append(_build(rung, config, build_pipeline, street))
            except _OutOfMemoryError as error:
                if not adapt:
                    raise
                left_out.append(str(error))
                logger.warning('left out of the ladder: %s', error)
        if not built:
            raise ConfigError(f'no rung of latency.ladder can be built: {"; ".join(left_out)}')
        _check_label_sets(built)
        if street is not None:
            built = _measured(built, street, clock_ns)
        if adapt:
            check_order([one.rung for one in built], [one.measured_ms or 0.0 for one in built])
    except BaseException:
        for one in built:
            one.pipeline.close()
        raise
    return BuiltLadder(built, adapt=adapt, left_out=left_out)


class _OutOfMemoryError(ConfigError):
    """The device has no room for a rung."""


def _build(
    rung: Rung, config: PipelineConfig, build_pipeline: BuildPipeline, street: Frame | None
) -> BuiltRung:
    """Make a rung's pipeline, test it, and run it once on a picture of the camera's size."""
    pipeline: SegmentationPipeline | None = None
    try:
        pipeline = build_pipeline(rung.applied_to(config))
        pipeline.rung = rung
        facts = pipeline.prepare()
        if street is not None:
            pipeline(street, (Output.MASK, Output.CONFIDENCE))
    except BaseException as error:
        if pipeline is not None:
            pipeline.close()
        if _is_out_of_memory(error):
            raise _OutOfMemoryError(f'rung {str(rung)!r}: {error}') from error
        if config.latency.adapt and isinstance(error, MfaranetError):
            raise ConfigError(f'latency.ladder, rung {str(rung)!r}: {error}') from error
        raise
    return BuiltRung(rung, pipeline, facts)


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an error, or one that it comes from, is for want of memory.

    A backend puts torch's error into words of its own, so these count as well.
    """
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, MfaranetError) and 'out of memory' in str(error):
            return True
        error = error.__cause__
    return False


def _check_label_sets(built: Sequence[BuiltRung]) -> None:
    first = built[0]
    for other in built[1:]:
        names = first.pipeline.label_set.name, other.pipeline.label_set.name
        if names[0] != names[1]:
            raise ConfigError(
                f'latency.ladder: rung {str(first.rung)!r} has the label set {names[0]}, rung '
                f'{str(other.rung)!r} {names[1]}: all rungs must have the same one'
            )


def _measured(
    built: Sequence[BuiltRung], street: Frame, clock_ns: Callable[[], int]
) -> list[BuiltRung]:
    """Return the rungs with their times; they take turns, so that all meet the same machine."""
    times_ms: list[list[float]] = [[] for _ in built]
    for _ in range(RUNS):
        for one, times in zip(built, times_ms, strict=True):
            start_ns = clock_ns()
            one.pipeline(street)
            times.append((clock_ns() - start_ns) / 1e6)
    pairs = zip(built, times_ms, strict=True)
    return [replace(one, measured_ms=max(min(times), LEAST_MS)) for one, times in pairs]


def _street(size: tuple[int, int]) -> Frame:
    """Return the frame of the self-test at another height and width."""
    frame = stored_frame()
    return replace(frame, pixels=cv2.resize(frame.pixels, size[::-1]).astype('uint8'))
