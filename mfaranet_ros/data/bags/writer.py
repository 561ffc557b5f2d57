# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writes a recording as a folder with an mcap file, as `ros2 bag record --storage mcap` does."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.data.bags.files import METADATA, SUFFIXES
from mfaranet_ros.data.bags.reader import BagMessage
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.types import MessageTypes, standard_types

FOREVER = QosTime(9223372036, 854775807)

LATCHED = Qos(
    QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, FOREVER,
    FOREVER, QosLiveliness.AUTOMATIC, FOREVER, False,
)  # fmt: skip
"""How a topic is offered whose last message holds until the next."""

ALWAYS_LATCHED = ('/tf_static',)

METADATA_VERSION = 8
"""The last one in which QoS is the text that older distributions read."""


class BagWriter:
    """A recording that is being written; its file is whole after `close`.

    path: the folder to make. overwrite: replace one that exists, if it is a bag or empty.
    counts: messages by topic. undefined: topics of types of which no definition is known; ROS can
    play them, viewers cannot show them.
    Raises OutputError where nothing can be written, or something is there already.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path).expanduser()
        _make_room(self.path, overwrite)
        self._types = standard_types()
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.undefined: tuple[str, ...] = ()
        self._writer = Writer(
            self.path, version=METADATA_VERSION, storage_plugin=StoragePlugin.MCAP
        )
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            self._writer.open()
        except (OSError, WriterError) as error:
            raise OutputError(f'{self.path} cannot be written: {_why(error)}') from error

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OutputError):
            self._abort()
        else:
            self.close()

    def make(self, type_name: str, fields: dict[str, Any]) -> Any:
        """Return a message from its fields: what `pipeline.messages.build` takes as `make`."""
        return self._types.types[type_name](**fields)

    def write(self, topic: str, message: Any, time_ns: int, *, latched: bool = False) -> None:
        """Write a message that `make` returned, as logged at time_ns.

        latched: the topic is offered to late subscribers, too, when the bag is played.
        """
        type_name = message.__msgtype__
        raw = self._types.serialize_cdr(message, type_name)
        qos = (LATCHED,) if latched else ()
        self.write_raw(Topic(topic, type_name, 0, qos=qos), raw, time_ns)

    def copy(self, item: BagMessage) -> None:
        """Write a message of another recording byte for byte, as logged when it was there."""
        self.write_raw(item.topic, item.raw, item.time_ns)

    def write_raw(self, topic: Topic, raw: bytes | memoryview, time_ns: int) -> None:
        """Write the bytes of a message in CDR.

        topic: only its name and type are needed where the type is a usual one, and its qos if it
        is to be kept. Raises OutputError where nothing can be written, and for a second type.
        """
        if topic.name not in self._connections:
            self._connections[topic.name] = self._connect(topic)
            self.counts[topic.name] = 0
        connection = self._connections[topic.name]
        if connection.msgtype != topic.type:
            raise OutputError(
                f'{topic.name} is written as {connection.msgtype}, so not as {topic.type}: use '
                'another name'
            )
        try:
            self._writer.write(connection, time_ns, raw)
        except OSError as error:
            raise self._failed(error) from error
        self.counts[topic.name] += 1

    def _connect(self, topic: Topic) -> Any:
        definition, digest = MessageTypes([topic]).definition(topic)
        if not definition:
            self.undefined = (*self.undefined, topic.name)
        qos = topic.qos or ((LATCHED,) if topic.name in ALWAYS_LATCHED else ())
        try:
            return self._writer.add_connection(
                topic.name,
                topic.type,
                msgdef=definition,
                rihs01=digest,
                serialization_format=topic.serialization,
                offered_qos_profiles=qos,
            )
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        count = sum(self.counts.values())
        return OutputError(
            f'{self.path} cannot be written any further: {_why(error)}; {count} messages were '
            'written before, of which the last ones may be missing'
        )

    def close(self) -> None:
        """Write what is pending, the index and metadata.yaml."""
        try:
            self._writer.close()
        except OSError as error:
            self._abort()
            raise self._failed(error) from error

    def _abort(self) -> None:
        """Close the file as it is; on a full disk not even that can be written."""
        with suppress(OSError):
            self._writer.abort()


def _make_room(path: Path, overwrite: bool) -> None:
    if path.suffix in SUFFIXES:
        raise OutputError(
            f'{path}: a bag is written as a folder, as ros2 bag does it; give '
            f'{path.with_suffix("")}'
        )
    if not path.exists():
        return
    if not overwrite:
        raise OutputError(f'{path} exists: give another name, or --overwrite to replace it')
    try:
        _remove_bag(path)
    except OSError as error:
        raise OutputError(f'{path} cannot be replaced: {_why(error)}') from error


def _remove_bag(path: Path) -> None:
    """Remove a folder that holds a bag and nothing else."""
    if not path.is_dir():
        raise OutputError(f'{path} is not a folder, so it is not replaced: give another name')
    entries = list(path.iterdir())
    if foreign := [item.name for item in entries if not _of_a_bag(item)]:
        raise OutputError(
            f'{path} holds {foreign[0]!r}, so it is not only a bag and is not replaced: give '
            'another name'
        )
    shutil.rmtree(path)


def _of_a_bag(path: Path) -> bool:
    return path.is_file() and (path.name == METADATA or path.suffix in SUFFIXES)


def _why(error: Exception) -> str:
    return getattr(error, 'strerror', None) or ' '.join(str(error).split())
