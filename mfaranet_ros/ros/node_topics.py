# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Finds the topics of a node: those it publishes and, on request, those it subscribes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rclpy.node import Node

from mfaranet_ros.core.errors import SourceError

OF_EVERY_NODE = ('/rosout', '/parameter_events', '/clock')


class NodeTopics:
    """Finds the topics of a node as they appear.

    node: used to ask the graph. name: of the node in question, with its namespace.
    topics: names below it or full ones; none: all it publishes. inputs: its subscriptions too.
    """

    def __init__(self, node: Node, name: str, topics: Sequence[str], *, inputs: bool) -> None:
        self._node = node
        self._name = '/' + name.strip('/')
        self._below = f'{self._name}/'
        self._topics = [each if each.startswith('/') else self._below + each for each in topics]
        self._inputs = inputs

    def wanted(self) -> list[str]:
        """Return the full names of the wanted topics that are known by now."""
        names = list(self._topics)
        if not names:
            names = self._with_end(self._node.get_publishers_info_by_topic)
        if self._inputs:
            names += self._with_end(self._node.get_subscriptions_info_by_topic)
        return list(dict.fromkeys(names))

    def _with_end(self, ask: Callable[[str], list[Any]]) -> list[str]:
        """Return the published topics that the node is an endpoint of.

        Endpoints are compared, since the graph may still list a dead node of the same name.
        """
        left_out = {*OF_EVERY_NODE, f'{self._below}transition_event'}
        found = []
        for topic, _ in self._node.get_topic_names_and_types():
            names = (f'{end.node_namespace.rstrip("/")}/{end.node_name}' for end in ask(topic))
            if topic not in left_out and self._name in names:
                found.append(topic)
        return sorted(topic for topic in found if self._node.count_publishers(topic))

    def has_started(self, heard: Iterable[str]) -> bool:
        """Return whether a wanted topic is subscribed; a node that still loads has few topics."""
        return any(self._topics or name.startswith(self._below) for name in heard)

    def nothing(self, missing: Sequence[str], wait_s: float) -> SourceError:
        """Return the error for topics that did not appear in time, with what exists instead."""
        if missing:
            names = sorted(name for name, _ in self._node.get_topic_names_and_types())
            return SourceError(
                f'no publisher of {", ".join(missing)} within {wait_s:g} s; existing topics: '
                f'{", ".join(names)}'
            )
        nodes = sorted(set(self._node.get_node_names()) - {self._node.get_name()})
        return SourceError(
            f'node {self._name} has published nothing within {wait_s:g} s: check that it is '
            f'active; existing nodes: {", ".join(nodes) or "none"}'
        )
