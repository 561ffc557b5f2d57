# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The topics on which the results of one frame go out, by the node and into bags alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mfaranet_ros.core.frame import Output, Result
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.style import Style

IMAGE = 'sensor_msgs/msg/Image'


@dataclass(frozen=True)
class ResultTopic:
    """One output: its name below the node's, its type, and the function that makes its message."""

    output: Output
    name: str
    type_name: str
    encode: Callable[[Result, Style], Any]


RESULT_TOPICS = (
    ResultTopic(Output.MASK, 'mask', IMAGE, encode.mask),
    ResultTopic(Output.CONFIDENCE, 'confidence', IMAGE, encode.confidence),
    ResultTopic(Output.OVERLAY, 'overlay', IMAGE, encode.overlay),
    ResultTopic(Output.COLOR_MASK, 'color_mask', IMAGE, encode.color_mask),
    ResultTopic(Output.DRIVABLE_MASK, 'drivable/mask', IMAGE, encode.drivable_mask),
    ResultTopic(Output.GRID, 'drivable/grid', 'nav_msgs/msg/OccupancyGrid', encode.grid),
    ResultTopic(
        Output.BOUNDARY, 'drivable/boundary', 'geometry_msgs/msg/PolygonStamped', encode.boundary
    ),
    ResultTopic(Output.POINTS, 'drivable/points', 'sensor_msgs/msg/PointCloud2', encode.points),
)
"""Every output of the pipeline, in the order in which they go out."""

CAMERA_INFO_NAME = 'camera_info'
LABEL_INFO_NAME = 'label_info'

DEBUG_STAGES = ('decode', 'preprocess', 'inference', 'postprocess', 'drivable', 'publish')
"""The stages whose times go out, below `debug/`."""
