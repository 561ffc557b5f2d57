# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The output topics: one row says everything about one of them.

The node publishes the rows, `mfaranet evaluate` writes them into bags, and the README lists them.
To add a topic, register a row before the node is configured:

    register_topic(OutputTopic(
        'obstacle_count', Float64.TYPE, count_obstacles, 'number of obstacle feet in view',
        needs=frozenset({Output.POINTS}),
    ))
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mfaranet_ros.core.frame import METRIC_OUTPUTS, Output
from mfaranet_ros.core.registry import Registry
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.messages import (
    CameraInfo,
    Float64,
    Image,
    LabelInfo,
    OccupancyGrid,
    PointCloud2,
    PolygonStamped,
)


class When(enum.Enum):
    """When a topic is published, and with it what its `encode` is called with.

    It returns a value of messages.py, or None where there is nothing to publish.
    """

    RESULT = 'encode(result, style), for each result'
    CALIBRATED = 'encode(camera_info, result), for each result of a calibrated camera'
    ACTIVATED = 'encode(label_set, remap, header), once for each activation'
    TIMED = 'encode(milliseconds, stamp_ns or None), after each result'


class InBag(enum.Enum):
    """How a topic of `When.RESULT` is written into an annotated bag."""

    NOT = 'not at all'
    AS_IS = 'as the node publishes it'
    JPEG = 'as a compressed image, below NAME/compressed'


@dataclass(frozen=True)
class Qos:
    """Quality of service; latched: late subscribers get the last message (transient local)."""

    reliable: bool = True
    latched: bool = False
    depth: int = 1


@dataclass(frozen=True)
class OutputTopic:
    """Everything about one output topic.

    name: below the node's, such as `drivable/grid`. type_name: of its message, with `/msg/`.
    encode: makes the message; `when` says what it is called with. meaning: for the documents.
    needs: what the pipeline computes for a subscriber. qos: what is offered.
    durability_setting: a setting of the node that may be `volatile` instead.
    optional: without the package of its message type the topic is left out.
    key: its name in diagnostics keys; empty: its name with `_` for `/`.
    """

    name: str
    type_name: str
    encode: Callable[..., Any]
    meaning: str
    when: When = When.RESULT
    needs: frozenset[Output] = frozenset({Output.MASK})
    qos: Qos = Qos()
    durability_setting: str = ''
    optional: bool = False
    in_bag: InBag = InBag.AS_IS
    key: str = ''

    @property
    def is_metric(self) -> bool:
        """Whether it needs a calibrated camera."""
        return not self.needs.isdisjoint(METRIC_OUTPUTS)

    @property
    def stage(self) -> str:
        """The stage under which publishing it is timed and counted."""
        return f'publish_{self.key or self.name.replace("/", "_")}'


OUTPUT_TOPICS: Registry[OutputTopic] = Registry('output topic')
"""Every output topic by its name, in the order in which they are published."""


def register_topic(topic: OutputTopic) -> None:
    """Add an output topic; raises ConfigError for a name that is taken."""
    OUTPUT_TOPICS[topic.name] = topic


def topics_of(when: When) -> list[OutputTopic]:
    """Return the topics that are published then, in order."""
    return [topic for topic in OUTPUT_TOPICS.values() if topic.when is when]


STAGES = ('decode', 'preprocess', 'inference', 'postprocess', 'drivable', 'publish')
"""The stages of a frame whose times are published one by one."""


def stage_of(topic: OutputTopic) -> str:
    """Return the stage whose milliseconds a topic of `When.TIMED` carries."""
    return topic.name.removeprefix('debug/').removesuffix('_ms')


_LATCHED = Qos(latched=True)

for _topic in (
    OutputTopic('mask', Image.TYPE, encode.mask, 'class of each pixel; 255 is unlabeled'),
    OutputTopic(
        'confidence', Image.TYPE, encode.confidence,
        'probability of the chosen class, 0 to 255',
        needs=frozenset({Output.CONFIDENCE}), in_bag=InBag.NOT,
    ),
    OutputTopic(
        'overlay', Image.TYPE, encode.overlay, 'colour mask over the camera image',
        in_bag=InBag.JPEG,
    ),
    OutputTopic(
        'color_mask', Image.TYPE, encode.color_mask,
        'each pixel in the colour of its class or role', in_bag=InBag.NOT,
    ),
    OutputTopic(
        'drivable/mask', Image.TYPE, encode.drivable_mask, '255 drivable, 0 not, 127 unsure',
        needs=frozenset({Output.DRIVABLE_MASK}),
    ),
    OutputTopic(
        'drivable/grid', OccupancyGrid.TYPE, encode.grid, '0 free, 100 blocked, -1 unseen',
        needs=frozenset({Output.GRID}), qos=_LATCHED, key='grid',
        durability_setting='output.grid_durability',
    ),
    OutputTopic(
        'drivable/boundary', PolygonStamped.TYPE, encode.boundary,
        'outline of the free space, on the ground',
        needs=frozenset({Output.BOUNDARY}), key='boundary',
    ),
    OutputTopic(
        'drivable/points', PointCloud2.TYPE, encode.points,
        'obstacle feet and the rim of the free space',
        needs=frozenset({Output.POINTS}), qos=Qos(reliable=False, depth=5), key='points',
    ),
    OutputTopic(
        'drivable/obstacles', PointCloud2.TYPE, encode.obstacles,
        'obstacle feet alone, for marking in costmaps',
        needs=frozenset({Output.POINTS}), qos=Qos(reliable=False, depth=5), key='obstacles',
        in_bag=InBag.NOT,
    ),
    OutputTopic(
        'drivable/free_rim', PointCloud2.TYPE, encode.free_rim,
        'end of the free space on every bearing, for clearing in costmaps',
        needs=frozenset({Output.FREE_RIM}), qos=Qos(reliable=False, depth=5), key='free_rim',
        in_bag=InBag.NOT,
    ),
    OutputTopic(
        'ground_cloud', PointCloud2.TYPE, encode.ground_cloud,
        'ground under each pixel of the mask, obstacles at their feet; for Nav2',
        needs=frozenset({Output.GROUND_CLOUD}), qos=Qos(reliable=False, depth=5),
        in_bag=InBag.NOT,
    ),
    OutputTopic(
        'camera_info', CameraInfo.TYPE, encode.camera_info,
        "camera's calibration, scaled to the mask", when=When.CALIBRATED,
    ),
    OutputTopic(
        'label_info', LabelInfo.TYPE, encode.label_info, "class names of the mask's values",
        when=When.ACTIVATED, needs=frozenset(), qos=_LATCHED, optional=True,
    ),
    OutputTopic(
        'debug/processing_time_ms', Float64.TYPE, encode.debug_value,
        'time from taking a frame to its last message', when=When.TIMED,
    ),
    OutputTopic(
        'debug/pipeline_latency_ms', Float64.TYPE, encode.debug_value,
        "age of a frame when its results are out, on the node's clock", when=When.TIMED,
    ),
    *(
        OutputTopic(
            f'debug/{stage}_ms', Float64.TYPE, encode.debug_value, f'time of the stage {stage}',
            when=When.TIMED,
        )
        for stage in STAGES
    ),
):  # fmt: skip
    register_topic(_topic)
