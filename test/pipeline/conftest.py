"""Both kinds of real message, for every test of the pipeline that reads or writes messages."""

from __future__ import annotations

import array
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from torch import nn

from mfaranet_ros.pipeline.messages import build

# Packages that neither rosbags nor the wheels of PyPI bring along.
EXTRA_DEFINITIONS = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    'vision_msgs/msg/LabelInfo': (
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'
    ),
    'autoware_internal_debug_msgs/msg/Float64Stamped': (
        'builtin_interfaces/Time stamp\nfloat64 data\n'
    ),
}
ARRAY_CODES = {'uint8': 'B', 'int8': 'b', 'float64': 'd'}


class RosbagsMessages:
    """Builds rosbags messages, and reads and writes their bytes."""

    name = 'rosbags'

    def __init__(self) -> None:
        self.store = get_typestore(Stores.ROS2_JAZZY)
        for type_name, text in EXTRA_DEFINITIONS.items():
            self.store.register(get_types_from_msg(text, type_name))

    def make(self, type_name: str, fields: dict[str, Any]) -> Any:
        return self.store.types[type_name](**fields)

    def write(self, message: Any, type_name: str) -> bytes:
        return bytes(self.store.serialize_cdr(message, type_name))

    def read(self, data: bytes, type_name: str) -> Any:
        return self.store.deserialize_cdr(data, type_name)


class RclpyMessages:
    """Builds rclpy messages, and reads and writes their bytes."""

    name = 'rclpy'

    def __init__(self) -> None:
        self.serialization = pytest.importorskip(
            'rclpy.serialization', reason='rclpy is not installed'
        )
        with warnings.catch_warnings():  # what ROS imports for its first message is not ours
            warnings.simplefilter('ignore')
            header = self.message_class('std_msgs/msg/Header')
            self.write(header(), 'std_msgs/msg/Header')

    def message_class(self, type_name: str) -> Any:
        package, kind, name = type_name.split('/')
        try:
            module = importlib.import_module(f'{package}.{kind}')
        except ImportError:
            pytest.skip(f'{package} is not installed')
        return getattr(module, name)

    def make(self, type_name: str, fields: dict[str, Any]) -> Any:
        values = {name: self._plain(value) for name, value in fields.items()}
        return self.message_class(type_name)(**values)

    def _plain(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        filled = array.array(ARRAY_CODES[value.dtype.name])
        filled.frombytes(memoryview(value).cast('B'))
        return filled

    def write(self, message: Any, type_name: str) -> bytes:
        return bytes(self.serialization.serialize_message(message))

    def read(self, data: bytes, type_name: str) -> Any:
        return self.serialization.deserialize_message(data, self.message_class(type_name))


@pytest.fixture(scope='session')
def rosbags_messages() -> RosbagsMessages:
    return RosbagsMessages()


@pytest.fixture(scope='session')
def rclpy_messages() -> RclpyMessages:
    return RclpyMessages()


KINDS = ('rosbags', pytest.param('rclpy', marks=pytest.mark.ros))


@pytest.fixture(params=KINDS)
def messages(request: pytest.FixtureRequest) -> RosbagsMessages | RclpyMessages:
    """One kind of message after the other."""
    return request.getfixturevalue(f'{request.param}_messages')


@pytest.fixture
def received(messages: RosbagsMessages | RclpyMessages) -> Callable[[Any], Any]:
    """Turn a value of messages.py into a message as one gets it: written and read again."""

    def receive(value: Any) -> Any:
        message = build(value, messages.make)
        return messages.read(messages.write(message, value.TYPE), value.TYPE)

    return receive


def toy_network(seed: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=4, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 11, 1),
    ).eval()  # fmt: skip
    network.coarse_logits = network.forward
    return network


@pytest.fixture(scope='session')
def make_toy() -> Callable[..., nn.Module]:
    """Make a small network with the seam of the real ones, of parts that another process knows."""
    return toy_network
