# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The whole way of one frame, in one screen: frame -> tensor -> logits -> labels -> drivable area.

The node and every offline tool run this very class: `pipeline(decode(message))`.
"""

from __future__ import annotations

from collections.abc import Iterable

from mfaranet_ros.adaptive.operating_points import OperatingPoint
from mfaranet_ros.backends import Backend, check_runtime, create_backend, warm_up
from mfaranet_ros.backends.network import load_network, mock_network
from mfaranet_ros.backends.selftest import run_self_test
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.frame import CONFIDENT_OUTPUTS, Frame, Output, Result
from mfaranet_ros.core.stopwatch import Stopwatch
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.monitoring.provenance import Facts, describe
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.pipeline.postprocess import postprocess
from mfaranet_ros.pipeline.preprocess import Preprocess


class FrameProcessor:
    """A configured network that turns frames into segmentations, one at a time.

    Making one loads the weights and builds the backend; it raises ConfigError, UnknownNameError
    or WeightsError for what does not fit. It remembers nothing of a frame.
    """

    def __init__(self, config: PipelineConfig, *, backend: Backend | None = None) -> None:
        check_runtime(config.runtime)
        self.config = config
        self.operating_point = OperatingPoint.of(config)
        mock = config.runtime.backend == 'mock' or backend is not None
        self.network = mock_network(config.model) if mock else load_network(config.model)
        self.label_set = self.network.label_set
        self.backend = backend or create_backend(
            config.runtime,
            self.network.model,
            classes=len(self.label_set),
            size=(config.input.height, config.input.width),
        )
        self.preprocess = Preprocess(
            self.network.mean,
            self.network.std,
            (config.input.height, config.input.width),
            self.backend.device,
            self.backend.dtype,
        )

    def __call__(
        self,
        frame: Frame,
        wanted: Iterable[Output] = (Output.MASK,),
        ground: GroundProjection | None = None,
        watch: Stopwatch | None = None,
    ) -> Result:
        """Segment one frame.

        wanted: what will be used; nothing else is computed (labels always are).
        ground: the calibrated ground under the masks; without it the metric outputs are None.
        watch: measures the stages; give one to include stages of your own, such as decoding.
        Raises InferenceError if the network fails on this frame; the next may succeed.
        """
        config, wanted, watch = self.config, frozenset(wanted), watch or Stopwatch()
        unsure = config.drivable.min_confidence > 0 and not wanted.isdisjoint(CONFIDENT_OUTPUTS)
        with watch('preprocess'):
            tensor, geometry = self.preprocess(frame)
        with watch('inference'):
            logits = self.backend(tensor)
        with watch('postprocess'):
            labels, confidence = postprocess(
                logits,
                geometry,
                resolution=config.output.resolution,
                with_confidence=unsure or Output.CONFIDENCE in wanted,
            )
        with watch('drivable'):
            drivable = find_drivable(
                labels, confidence, self.label_set.roles, config.drivable, wanted, ground, watch
            )
        return Result(labels, confidence, drivable, frame, watch.ms)

    def mask_size(self, camera: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of the masks of a camera image of this height and width."""
        if self.config.output.resolution == 'camera':
            return camera
        return self.preprocess.geometry(*camera).content

    def prepare(self) -> Facts:
        """Test and warm up the backend; return what is running, for the diagnostics.

        Raises ConfigError or InferenceError if the backend does not do what the network does.
        """
        tested = run_self_test(
            self.backend, self.network.model, self.preprocess, classes=len(self.label_set)
        )
        height, width = self.config.input.height, self.config.input.width
        if height and width:
            warm_up(self.backend, height, width)
        return describe(
            self.config, self.operating_point, self.network, self.backend.describe(), tested
        )

    def close(self) -> None:
        """Free the device."""
        self.backend.close()
