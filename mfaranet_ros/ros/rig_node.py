# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `rig`: several cameras, one network, and one grid of them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mfaranet_ros.core.config import FusionConfig, PipelineConfig, setting
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.ros.camera_settings import CameraSettings, NamedCameraSettings
from mfaranet_ros.ros.cameras_node import CamerasNode, Consumer
from mfaranet_ros.ros.parameters import Parameters
from mfaranet_ros.ros.rig_output import RigOutput

NAME = re.compile(r'[a-zA-Z][a-zA-Z0-9_]*')

TAKEN = ('grid',)
"""Names below the node that are no cameras."""


@dataclass(frozen=True)
class RigConfig:
    """The settings that only a rig has."""

    cameras: tuple[str, ...] = setting(
        ('front', 'rear', 'left', 'right'),
        'names of the cameras; each has the topics NAME/image and NAME/camera_info, its outputs '
        'below ~/NAME, and its own parameters below camera.NAME',
        items=str,
    )
    fusion: FusionConfig = field(default_factory=FusionConfig)


class RigNode(CamerasNode):
    """Several cameras on one network; see docs/rig.md.

    finish(exit_code): ends the process; used when the node starts by itself and cannot.
    build_pipeline: makes the pipeline of a config; tests give their own.
    Raises ConfigError for parameters that are unknown or out of range, and for cameras of one name
    or with one topic.
    """

    def __init__(
        self,
        finish: Callable[[int], None],
        *,
        build_pipeline: Callable[[PipelineConfig], FrameProcessor] = build_processor,
        **node_arguments: Any,
    ) -> None:
        super().__init__('rig', finish, build_pipeline=build_pipeline, **node_arguments)

    def _camera_settings(self) -> Iterator[tuple[str, CameraSettings]]:
        self._rig_settings = Parameters(self, RigConfig())
        names = self._rig_settings.config.cameras
        check_names(names)
        self._check_topics(names)
        config, node_config = self._settings.config, self._node_settings.config
        for name in names:
            yield name, NamedCameraSettings(self, name, config, node_config)

    def _make_consumers(self) -> Iterator[Consumer]:
        yield RigOutput(self, self._rig_settings.config.fusion, self.cameras)

    def _check_topics(self, names: tuple[str, ...]) -> None:
        for what in ('image', 'camera_info'):
            owners: dict[str, str] = {}
            for name in names:
                topic = str(self.resolve_topic_name(f'{name}/{what}'))
                other = owners.setdefault(topic, name)
                if other != name:
                    raise ConfigError(
                        f'the cameras {other} and {name} both have the {what} topic {topic}: '
                        f'remap {name}/{what} to a topic of its own'
                    )


def check_names(names: tuple[str, ...]) -> None:
    """Raise ConfigError unless these can be the cameras of one rig."""
    if not names:
        raise ConfigError("cameras = []: name at least one, as in ['front', 'rear']")
    for name in names:
        if not NAME.fullmatch(name) or name in TAKEN:
            raise ConfigError(
                f'cameras: {name!r} cannot be the name of a camera: use letters, digits and _, a '
                f'letter first, and none of {", ".join(TAKEN)}'
            )
        if names.count(name) > 1:
            raise ConfigError(
                f'cameras: {name!r} is given {names.count(name)} times: name it once'
            )
