# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node with the rclpy of Humble: its names and signatures, and stand-ins made from them.

The tables are the published interface of rclpy 3.3.15, branch `humble` of ros2/rclpy.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROS = Path(__file__).parents[1] / 'mfaranet_ros' / 'ros'

HUMBLE = {
    'rclpy': {'exceptions', 'init', 'qos', 'qos_overriding_options', 'shutdown', 'try_shutdown'},
    'rclpy.callback_groups': {'CallbackGroup', 'MutuallyExclusiveCallbackGroup'},
    'rclpy.clock': {'Clock', 'ClockType', 'JumpThreshold', 'ROSClock', 'TimeJump'},
    'rclpy.duration': {'Duration'},
    'rclpy.exceptions': {'InvalidParameterValueException', 'ParameterNotDeclaredException'},
    'rclpy.executors': {'ExternalShutdownException', 'SingleThreadedExecutor'},
    'rclpy.impl.implementation_singleton': {'rclpy_implementation'},
    'rclpy.lifecycle': {'LifecycleNode', 'LifecycleState', 'TransitionCallbackReturn'},
    'rclpy.node': {'Node'},
    'rclpy.parameter': {'Parameter'},
    'rclpy.qos': {
        'DurabilityPolicy', 'HistoryPolicy', 'QoSCompatibility', 'QoSProfile',
        'ReliabilityPolicy', 'qos_check_compatible', 'qos_profile_sensor_data',
    },
    'rclpy.qos_event': {'PublisherEventCallbacks', 'SubscriptionEventCallbacks'},
    'rclpy.qos_overriding_options': {'QoSOverridingOptions'},
    'rclpy.serialization': {'deserialize_message', 'serialize_message'},
    'rclpy.signals': {'SignalHandlerOptions'},
    'rclpy.subscription': {'Subscription'},
    'rclpy.time': {'Time'},
    'rclpy.utilities': {'get_rmw_implementation_identifier', 'ok', 'try_shutdown'},
}  # fmt: skip
"""Names of Humble's modules, those that this package may import."""

KEYWORDS = {
    'create_publisher': {
        'callback_group', 'event_callbacks', 'qos_overriding_options', 'publisher_class'
    },
    'create_subscription': {
        'callback_group', 'event_callbacks', 'qos_overriding_options', 'raw'
    },
    'create_timer': {'callback_group', 'clock'},
    'create_service': {'qos_profile', 'callback_group'},
    'create_client': {'qos_profile', 'callback_group'},
    'create_guard_condition': {'callback_group'},
    'create_jump_callback': {'pre_callback', 'post_callback'},
    'declare_parameter': {'value', 'descriptor', 'ignore_override'},
}  # fmt: skip
"""Keyword arguments of methods of Humble's nodes and clocks."""


def sources():
    return [path for path in sorted(ROS.glob('*.py')) if path.name != 'compatibility.py']


@pytest.mark.parametrize('path', sources(), ids=lambda path: path.stem)
def test_only_what_humble_has_is_used_outside_of_compatibility(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('rclpy'):
            assert node.module in HUMBLE, node.module
            assert {alias.name for alias in node.names} <= HUMBLE[node.module], node.module
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            allowed = KEYWORDS.get(node.func.attr)
            given = {keyword.arg for keyword in node.keywords}
            assert allowed is None or given <= allowed, node.func.attr


class Policy(Enum):
    BEST_EFFORT = RELIABLE = VOLATILE = TRANSIENT_LOCAL = 1


class QoSProfile:
    def __init__(self, *, depth, reliability=None, durability=None):
        self.depth, self.reliability, self.durability = depth, reliability, durability


class EventCallbacks:
    def __init__(self, *, deadline=None, liveliness=None, incompatible_qos=None,
                 use_default_callbacks=True):  # fmt: skip
        self.use_default_callbacks = use_default_callbacks


class Node:
    """A node whose subscriptions call back as Humble's executor does: with the message alone."""

    def __init__(self):
        self.subscriptions = {}

    def create_subscription(
        self, msg_type, topic, callback, qos_profile, *, callback_group=None,
        event_callbacks=None, qos_overriding_options=None, raw=False,
    ):  # fmt: skip
        assert isinstance(event_callbacks, (EventCallbacks, type(None)))
        self.subscriptions[topic] = callback
        return SimpleNamespace(topic_name=topic)

    def destroy_subscription(self, subscription):
        return self.subscriptions.pop(subscription.topic_name)

    def resolve_topic_name(self, topic, *, only_expand=False):
        return '/' + topic

    def count_publishers(self, topic_name):
        return 1


def stand_in(name, **values):
    module = ModuleType(name)
    vars(module).update(values)
    return module


@pytest.fixture
def humble(monkeypatch):
    """Put stand-ins in the place of rclpy; return this package's modules that use them."""
    options = SimpleNamespace(with_default_policies=lambda: None)
    modules = [
        stand_in('rclpy'),
        stand_in('rclpy.node', Node=Node),
        stand_in(
            'rclpy.qos', QoSProfile=QoSProfile, ReliabilityPolicy=Policy, DurabilityPolicy=Policy,
            QoSCompatibility=Policy, qos_check_compatible=None,
        ),
        stand_in(
            'rclpy.qos_event', PublisherEventCallbacks=EventCallbacks,
            SubscriptionEventCallbacks=EventCallbacks,
        ),
        stand_in('rclpy.qos_overriding_options', QoSOverridingOptions=options),
        stand_in('rclpy.subscription', Subscription=type('Subscription', (), {})),
        stand_in('rclpy.utilities', get_rmw_implementation_identifier=lambda: 'rmw_x'),
        stand_in('sensor_msgs'),
        stand_in('sensor_msgs.msg', CameraInfo=object, CompressedImage=object, Image=object),
    ]  # fmt: skip
    for name in [*sys.modules]:
        if name.startswith(('rclpy', 'mfaranet_ros.ros.')):
            monkeypatch.delitem(sys.modules, name)
    for module in modules:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    yield lambda name: importlib.import_module(f'mfaranet_ros.ros.{name}')
    for name in [*sys.modules]:
        if name.startswith('mfaranet_ros.ros.'):
            del sys.modules[name]


def test_images_arrive_without_message_info_and_diagnostics_say_what_is_missing(humble):
    images, lost, node = [], [], Node()
    camera = humble('camera_input').CameraInput(
        node,
        'raw',
        on_message=print,
        on_image=images.append,
        on_camera_info=print,
        on_lost=lost.append,
        on_error=print,
    )
    for message in ('first', 'second'):
        node.subscriptions['/image'](message)
    assert (images, lost) == (['first', 'second'], [])
    assert camera.uncounted() == (
        'lost images are not counted: rclpy of this distribution has no sequence numbers'
    )
    camera.close()
    assert not node.subscriptions


def test_humble_takes_the_message_alone(humble):
    receive = humble('compatibility').with_message_info(lambda message, info: None)
    assert len(inspect.signature(receive).parameters) == 1


@pytest.mark.parametrize(
    ('middleware', 'words'),
    [
        ('rmw_fastrtps_cpp', 'Fast DDS profile'),
        ('rmw_fastrtps_dynamic_cpp', 'Fast DDS profile'),
        ('rmw_cyclonedds_cpp', 'net.core.rmem_max'),
        ('rmw_zenoh_cpp', 'shared memory of Zenoh'),
        ('rmw_connextdds', 'the documentation of rmw_connextdds'),
    ],
)
def test_lost_images_are_blamed_on_the_middleware_in_use(humble, monkeypatch, middleware, words):
    compatibility = humble('compatibility')
    monkeypatch.setattr(compatibility, 'get_rmw_implementation_identifier', lambda: middleware)
    advice = compatibility.lost_images_advice()
    assert words in advice
    assert ('Fast DDS' in advice) == middleware.startswith('rmw_fastrtps')
