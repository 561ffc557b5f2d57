# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The message types of a recording: its own definitions first, else those of ROS Kilted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.data.bags.storage import Topic

IDL_SEPARATOR = '=' * 80 + '\n'

BESIDES = {
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    'vision_msgs/msg/LabelInfo': (
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'
    ),
    'autoware_internal_debug_msgs/msg/Float64Stamped': (
        'builtin_interfaces/Time stamp\nfloat64 data\n'
    ),
    'foxglove_msgs/msg/CompressedVideo': (
        'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
    ),
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket': (
        'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
        'uint8 flags\nbool is_bigendian\nuint8[] data\n'
    ),
}
"""Types that we read or write and the store of rosbags does not hold."""

NO_TYPE = (TypesysError, ValueError, KeyError, AssertionError, SyntaxError, RecursionError)
"""What rosbags makes of definitions that are none."""

UNKNOWN_HASH = 'RIHS01_' + 64 * '0'


def standard_types() -> Any:
    """Return a new store of rosbags with the types of ROS Kilted and those we write besides."""
    store = get_typestore(Stores.ROS2_KILTED)
    for name, text in BESIDES.items():
        store.register(get_types_from_msg(text, name))
    return store


class MessageTypes:
    """Turns stored bytes into messages, whose arrays are views of the bytes.

    A definition is read when the first message of its type is.
    """

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._unread = {topic.type: topic for topic in topics if topic.definition}
        self._unreadable: dict[str, str] = {}
        self.store = standard_types()

    def _learn(self, type_name: str) -> None:
        topic = self._unread.pop(type_name, None)
        if topic is not None:
            try:
                self._add(_parse(topic))
            except NO_TYPE as error:
                self._unreadable[type_name] = _one_line(error)

    def _add(self, types: Any) -> None:
        try:
            self.store.register(types)
        except TypesysError:
            # A type has changed since, so the bag's own are taken before those known here.
            store = get_typestore(Stores.EMPTY)
            store.register({**self.store.fielddefs, **types})
            self.store = store

    def check(self, topic: Topic) -> None:
        """Raise SourceError for a type that cannot be read."""
        if topic.serialization != 'cdr':
            raise SourceError(
                f'{topic.name} is serialized as {topic.serialization!r}: only cdr is read, '
                'record it with one of the usual middlewares'
            )
        problem = self._problem(topic.type)
        if problem:
            raise SourceError(
                f'{topic.name} is of type {topic.type}, which {problem}: record it as mcap, which '
                'holds definitions, or give another topic'
            )

    def _problem(self, type_name: str) -> str:
        """Return why a type cannot be read, empty if it can."""
        self._learn(type_name)
        if type_name in self.store.fielddefs:
            try:
                self.store.get_msgdef(type_name)
            except NO_TYPE as error:
                return f'has a definition that cannot be used ({_one_line(error)})'
            return ''
        if type_name in self._unreadable:
            return f'has a definition that cannot be read ({self._unreadable[type_name]})'
        return 'is unknown here and the bag does not hold its definition'

    def definition(self, topic: Topic) -> tuple[str, str]:
        """Return the text of a type's definition and its hash: as the bag has it, else as known.

        The text is empty for a type of which neither knows.
        """
        if self._problem(topic.type):
            return topic.definition, UNKNOWN_HASH
        text = topic.definition
        if not text or topic.encoding == 'ros2idl':
            text, _ = self.store.generate_msgdef(topic.type, ros_version=2)
        try:
            return text, str(self.store.hash_rihs01(topic.type))
        except NO_TYPE:  # it has a wide string, which rosbags does not hash
            return text, UNKNOWN_HASH

    def read(self, raw: bytes | memoryview, topic: Topic) -> MessageLike:
        """Return the message; raises DecodeError where the bytes are none."""
        self._learn(topic.type)
        try:
            return self.store.deserialize_cdr(memoryview(raw), topic.type)
        except (SerdeError, IndexError, *NO_TYPE) as error:
            raise DecodeError(
                'data', f'a message of {topic.name} cannot be read: {_one_line(error)}'
            ) from error


def _one_line(error: Exception) -> str:
    return ' '.join(str(error).split())


def _parse(topic: Topic) -> Any:
    if topic.encoding == 'ros2msg':
        return get_types_from_msg(topic.definition, topic.type)
    if not topic.definition.startswith(IDL_SEPARATOR + 'IDL: '):
        return get_types_from_idl(topic.definition)
    types = {}
    for part in topic.definition.split(IDL_SEPARATOR)[1:]:
        types.update(get_types_from_idl(part.partition('\n')[2]))
    return types
