# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A small vehicle in one process: the node under test, a camera, listeners and a client."""

import itertools
import os
import threading
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

import rcl_interfaces.msg  # noqa: E402
from builtin_interfaces.msg import Time  # noqa: E402
from rcl_interfaces.msg import ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import GetParameters, SetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from mfaranet_ros.ros.compatibility import PublisherEventCallbacks, SubscriptionEventCallbacks  # noqa: E402

DOMAINS = 100
"""1 to 100, whose ports are free on Linux."""

_WORKERS = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
_VEHICLES = itertools.count(_WORKERS, _WORKERS)  # stays in the domains of this worker

PATIENCE_S = 20.0
SIZE = (96, 128)
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
KINDS = {
    'bool_value': ParameterType.PARAMETER_BOOL,
    'double_value': ParameterType.PARAMETER_DOUBLE,
    'integer_value': ParameterType.PARAMETER_INTEGER,
    'string_value': ParameterType.PARAMETER_STRING,
    'integer_array_value': ParameterType.PARAMETER_INTEGER_ARRAY,
    'string_array_value': ParameterType.PARAMETER_STRING_ARRAY,
}


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker('ros')


def wait_until(condition, what, timeout_s=PATIENCE_S):
    """Wait for a condition to hold and return its value; fail with words if it never does."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f'waited {timeout_s} s in vain for {what}')


def camera_info(height=SIZE[0], width=SIZE[1], **changes):
    """Return the calibration of a pinhole camera with a field of view of 53 degrees."""
    focal = float(width)
    fields = {
        'height': height,
        'width': width,
        'distortion_model': 'plumb_bob',
        'd': [0.0] * 5,
        'k': [focal, 0.0, width / 2 - 0.5, 0.0, focal, height / 2 - 0.5, 0.0, 0.0, 1.0],
    }
    message = CameraInfo(**{**fields, **changes})
    message.header.frame_id = 'camera'
    return message


def status_of(heard, name, words=''):
    """Return the newest status of this name whose message holds these words, if there is one."""
    for array in reversed(heard):
        for status in array.status:
            if status.name == f'/segmentation: {name}' and words in status.message:
                return status
    return None


def values_of(status):
    """Return the values of a status by their keys."""
    return {entry.key: entry.value for entry in status.values}


class SimulatedClock:
    """A /clock that stands still between two settings."""

    def __init__(self, node):
        self._publisher = node.create_publisher(Clock, '/clock', 10)

    def set(self, seconds, node):
        """Set the time and wait until a node has it."""
        sec, nanosec = divmod(round(seconds * 1e9), 10**9)
        message = Clock(clock=Time(sec=sec, nanosec=nanosec))

        def arrived():
            self._publisher.publish(message)
            return node.get_clock().now().nanoseconds == sec * 10**9 + nanosec

        wait_until(arrived, f'the time {seconds}')


class Vehicle:
    """Everything around the node under test, spun in threads of its own."""

    size = SIZE
    wait_until = staticmethod(wait_until)
    camera_info = staticmethod(camera_info)
    status_of = staticmethod(status_of)
    values_of = staticmethod(values_of)

    def __init__(self, context):
        self.context = context
        self.node = Node('vehicle', context=context)
        self.camera = self.node.create_publisher(
            Image,
            'image',
            RELIABLE,
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )
        self.info = self.node.create_publisher(CameraInfo, 'camera_info', 1)
        self.sent = 0
        self._executors = []
        self._nodes = []
        self._spin(self.node)

    def _spin(self, node):
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        self._executors.append((executor, thread))

    def start(
        self, *, pipeline=None, build=None, parameters=None, autostart=True, rig=False, **arguments
    ):
        """Start a segmentation node, or a rig, with the mock backend and wait until it is active.

        pipeline: the backend to use, a MockBackend of the test's own.
        build: returns the pipeline of a config, where it takes more than one.
        """
        from mfaranet_ros.pipeline.build import build_processor
        from mfaranet_ros.ros.rig_node import RigNode
        from mfaranet_ros.ros.segmentation_node import SegmentationNode

        values = {'runtime.backend': 'mock', 'autostart': autostart, **(parameters or {})}
        node = (RigNode if rig else SegmentationNode)(
            finish=lambda code: None,
            build_pipeline=build or (lambda config: build_processor(config, backend=pipeline)),
            context=self.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
            **arguments,
        )
        return self.host(node)

    def host(self, node):
        """Start a node, spin it in a thread of its own, close it at the end, and return it."""
        self._nodes.append(node)
        node.start()
        self._spin(node)
        return node

    def simulated_clock(self):
        """Return a /clock that stands where the test sets it."""
        return SimulatedClock(self.node)

    def send(self, *, stamp_ns=None, size=SIZE, **changes):
        """Publish one image that differs from all others and return its stamp in ns."""
        if stamp_ns is None:
            stamp_ns = self.node.get_clock().now().nanoseconds
        height, width = size
        pixels = np.random.default_rng(self.sent).integers(0, 255, (height, width, 3), np.uint8)
        fields = {'height': height, 'width': width, 'encoding': 'bgr8', 'step': 3 * width}
        message = Image(**{**fields, 'data': pixels.tobytes(), **changes})
        message.header.frame_id = 'camera'
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self.camera.publish(message)
        self.sent += 1
        return stamp_ns

    def calibrate(self, **changes):
        """Publish the calibration of a pinhole camera of this size."""
        self.info.publish(camera_info(**changes))

    def listen(self, topic, message_type, qos=RELIABLE):
        """Subscribe and return the list that messages are put into."""
        heard = []
        silent = SubscriptionEventCallbacks(use_default_callbacks=False)
        self.node.create_subscription(
            message_type, topic, heard.append, qos, event_callbacks=silent
        )
        return heard

    def matched(self, topics=('/image',)):
        """Wait until the node listens to the camera and all our listeners have a publisher."""
        wait_until(lambda: self.camera.get_subscription_count(), 'the node to subscribe')
        wait_until(lambda: self.info.get_subscription_count(), 'the node to take camera_info')
        for subscription in self.node.subscriptions:
            wait_until(
                lambda s=subscription: self.node.count_publishers(s.topic_name),
                f'a publisher of {subscription.topic_name}',
            )
        time.sleep(0.3)  # both sides know of each other, the middleware needs a moment more

    def client(self, service_type, name):
        """Return a client that has found its service."""
        client = self.node.create_client(service_type, name)
        assert client.wait_for_service(PATIENCE_S), f'no service {name}'
        return client

    def call(self, service_type, name, request):
        client = self.client(service_type, name)
        future = client.call_async(request)
        wait_until(future.done, f'an answer of {name}')
        self.node.destroy_client(client)
        return future.result()

    def set_parameter(self, name, **value):
        """Set a parameter of the node as `ros2 param set` does; value: as in KINDS."""
        (field,) = value
        given = ParameterValue(type=KINDS[field], **value)
        parameter = rcl_interfaces.msg.Parameter(name=name, value=given)
        request = SetParameters.Request(parameters=[parameter])
        return self.call(SetParameters, '/segmentation/set_parameters', request).results[0]

    def get_parameter(self, name):
        request = GetParameters.Request(names=[name])
        return self.call(GetParameters, '/segmentation/get_parameters', request).values[0]

    def close(self):
        for executor, thread in reversed(self._executors):
            executor.shutdown(timeout_sec=5.0)
            thread.join(5.0)
        for node in self._nodes:
            node.close()
            node.destroy_node()
        self.node.destroy_node()


@pytest.fixture
def vehicle(monkeypatch):
    """A vehicle in a domain that was not used just before.

    Fast DDS does not forget all that earlier contexts of a process had in a domain; a service of
    which it remembers more readers than writers counts as not there.
    """
    domain = 1 + (int(os.environ['ROS_DOMAIN_ID']) - 1 + next(_VEHICLES)) % DOMAINS
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    vehicle = Vehicle(context)
    yield vehicle
    vehicle.close()
    rclpy.try_shutdown(context=context)


@pytest.fixture(name='camera_info')
def camera_info_fixture():
    """Return the function that makes a calibration."""
    return camera_info


@pytest.fixture(scope='session')
def weights_file(tmp_path_factory):
    """Weights of a network that has learnt nothing, for tests in which one must run."""
    import torch

    from mfaranet_ros.core.labels import get_label_set
    from mfaranet_ros.models import create_model, save_weights

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'untrained.safetensors'
    model = create_model('mfaranet_resnet18', classes=11)
    save_weights(model, path, label_set=get_label_set('camvid'))
    return path
