# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which publishers and subscribers of a topic do not fit one another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)

_UNRELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
_UNLATCHED = DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL


def node_of(end: Any) -> str:
    """Return the full name of the node at one end of a topic, `a node` until it is discovered."""
    if end.node_name == '_NODE_NAME_UNKNOWN_':
        return 'a node'
    return f'{end.node_namespace.rstrip("/")}/{end.node_name}'


def type_name(message_type: Any) -> str:
    """Return the name of a message class, such as `sensor_msgs/msg/Image`."""
    package, kind = message_type.__module__.split('.')[:2]
    return f'{package}/{kind}/{message_type.__name__}'


def unserved_subscribers(node: Node, topic: str) -> Iterator[tuple[str, str]]:
    """Yield who asks for more than a node's publisher of a topic offers, and for what."""
    own = _own(node, node.get_publishers_info_by_topic(topic))
    for end in node.get_subscriptions_info_by_topic(topic):
        misfits = [_misfit(each.qos_profile, end.qos_profile) for each in own]
        if misfits and all(misfits):
            yield node_of(end), misfits[0]


def unusable_publishers(node: Node, topic: str) -> Iterator[tuple[str, str]]:
    """Yield who offers less than a node's subscriptions of a topic ask for, and of what."""
    own = _own(node, node.get_subscriptions_info_by_topic(topic))
    for end in node.get_publishers_info_by_topic(topic):
        misfits = [_misfit(end.qos_profile, each.qos_profile) for each in own]
        if misfits and all(misfits):
            yield node_of(end), misfits[0]


def _own(node: Node, ends: list[Any]) -> list[Any]:
    """Return the node's own ends, whose profiles are written as those of the others are."""
    name = node.get_fully_qualified_name()
    return [end for end in ends if node_of(end) == name]


def _misfit(offered: QoSProfile, asked: QoSProfile) -> str:
    """Return the policy that does not fit, as QoS overrides call it, or ''."""
    fits, reason = qos_check_compatible(offered, asked)
    if fits != QoSCompatibility.ERROR:
        return ''
    if (offered.reliability, asked.reliability) == _UNRELIABLE:
        return 'reliability'
    if (offered.durability, asked.durability) == _UNLATCHED:
        return 'durability'
    return str(reason).strip('; ').removeprefix('ERROR: ')
