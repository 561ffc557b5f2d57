"""Which topics of a node there are: what it publishes and, if wanted, what it listens to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rclpy.node import Node

from mfaranet_ros.errors import SourceError

OF_EVERY_NODE = ('/rosout', '/parameter_events', '/clock')


class NodeTopics:
    """Looks for the topics of a node.

    node: that looks. name: of the node whose topics are meant, with its namespace.
    topics: names below it or full ones; none: all it publishes. inputs: also what it listens to.
    """

    def __init__(self, node: Node, name: str, topics: Sequence[str], *, inputs: bool) -> None:
        self._node = node
        self._name = '/' + name.strip('/')
        self._below = f'{self._name}/'
        self._topics = [each if each.startswith('/') else self._below + each for each in topics]
        self._inputs = inputs

    def wanted(self) -> list[str]:
        """Return the full names of the wanted topics, as far as they are known."""
        names = list(self._topics)
        if not names:
            # By their names as well: the graph may still know a dead node of the same name.
            below = (name for name, _ in self._node.get_topic_names_and_types())
            names = self._published(name for name in below if name.startswith(self._below))
            names += self._of_node(self._node.get_publisher_names_and_types_by_node)
        if self._inputs:
            names += self._of_node(self._node.get_subscriber_names_and_types_by_node)
        return list(dict.fromkeys(names))

    def _published(self, names: Iterable[str]) -> list[str]:
        left_out = {*OF_EVERY_NODE, f'{self._below}transition_event'}
        return sorted(name for name in {*names} - left_out if self._node.count_publishers(name))

    def _of_node(self, ask: Callable[[str, str], list[tuple[str, Any]]]) -> list[str]:
        """Return the topics of the node's publishers or subscribers; none until it is there."""
        namespace, _, name = self._name.rpartition('/')
        try:
            found = ask(name, namespace or '/')
        except RuntimeError:  # rclpy's word for a node that is not there
            return []
        return self._published(topic for topic, _ in found)

    def has_begun(self, heard: Iterable[str]) -> bool:
        """Return whether a wanted topic is heard; a node that still loads has few of its own."""
        return any(self._topics or name.startswith(self._below) for name in heard)

    def nothing(self, missing: Sequence[str], wait_s: float) -> SourceError:
        """Say what has not appeared within so long, and what there is instead."""
        if missing:
            names = sorted(name for name, _ in self._node.get_topic_names_and_types())
            return SourceError(
                f'nobody publishes {", ".join(missing)} within {wait_s:g} s; topics there are: '
                f'{", ".join(names)}'
            )
        nodes = sorted(set(self._node.get_node_names()) - {self._node.get_name()})
        return SourceError(
            f'no node {self._name} that publishes anything within {wait_s:g} s: is it active? '
            f'Nodes there are: {", ".join(nodes) or "none"}'
        )
