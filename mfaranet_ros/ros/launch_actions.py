# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Actions that both launch files use: read the arguments, and end with a non-zero exit code."""

from __future__ import annotations

from collections.abc import Iterable

from launch import LaunchContext
from launch.action import Action
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event import Event
from launch.event_handler import EventHandler
from launch.event_handlers import OnProcessExit, OnShutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


class LaunchFailure(Event):
    """Ends the launch with exit code 1."""

    name = 'mfaranet_ros.LaunchFailure'


def declare(arguments: dict[str, tuple[str, str]]) -> list[Action]:
    """Declare the arguments of a table: name, default and description."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]


def values(context: LaunchContext, names: Iterable[str]) -> dict[str, str]:
    """Return the text that each argument has."""
    return {name: LaunchConfiguration(name).perform(context) for name in names}


def fail(message: str) -> list[Action]:
    """Shut the launch down with exit code 1, the message as its last error.

    Raising where a launch file is visited would leave processes behind that were started in the
    same visit. Raised while an event of its own is handled, everything is shut down first.
    """
    event = LaunchFailure()

    def end(_: LaunchContext) -> None:
        raise RuntimeError(message)

    handler = EventHandler(
        matcher=lambda other: other is event, entities=[OpaqueFunction(function=end)]
    )
    return [RegisterEventHandler(handler), EmitEvent(event=event)]


def fail_with(node: Node) -> Action:
    """When the node ends by itself with an error, let the launch end with exit code 1 at the end.

    What else the launch started goes on until then, such as the nodes of other cameras.
    """

    def ended(event: ProcessExited, context: LaunchContext) -> list[Action]:
        if event.returncode == 0 or context.is_shutdown:
            return []
        message = f'{event.process_name} ended with exit code {event.returncode}, see above'
        return [RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: fail(message)))]

    return RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))
