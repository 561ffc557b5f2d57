# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Small recordings as other tools write them: rosbags in both storages, and the library mcap."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)
SIZE = (24, 32)
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'


@dataclass(frozen=True)
class Entry:
    """One message of a recording to be written."""

    topic: str
    type: str
    time_ns: int
    message: Any

    @property
    def raw(self) -> memoryview:
        return STORE.serialize_cdr(self.message, self.type)


def make(type_name: str, *args: Any) -> Any:
    return STORE.types[type_name](*args)


def header(stamp_ns: int, frame_id: str = 'camera') -> Any:
    time = make('builtin_interfaces/msg/Time', *divmod(stamp_ns, 10**9))
    return make('std_msgs/msg/Header', time, frame_id)


def sample_image(number: int, channels: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    """An image with smooth and noisy parts, so that it compresses as real ones do, and badly."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 256, (*size, channels), np.uint8)
    pixels[: size[0] // 2] = 10 + number % 200
    return pixels


def image_message(pixels: np.ndarray, stamp_ns: int, encoding: str = 'rgb8') -> Any:
    height, width, channels = pixels.shape
    return make(
        IMAGE, header(stamp_ns), height, width, encoding, 0, width * channels, pixels.reshape(-1)
    )


def compressed(pixels: np.ndarray, stamp_ns: int, codec: str = 'png') -> Any:
    _, data = cv2.imencode(f'.{codec}', pixels)
    return make(COMPRESSED, header(stamp_ns), f'rgb8; {codec} compressed bgr8', data.reshape(-1))


def camera_info(stamp_ns: int, focal_px: float = 30.0) -> Any:
    height, width = SIZE
    k = np.array([focal_px, 0, width / 2, 0, focal_px, height / 2, 0, 0, 1.0])
    p = np.insert(k.reshape(3, 3), 3, 0, axis=1).reshape(-1)
    roi = make('sensor_msgs/msg/RegionOfInterest', 0, 0, 0, 0, False)
    return make(
        CAMERA_INFO, header(stamp_ns), height, width, 'plumb_bob', np.zeros(5), k,
        np.eye(3).reshape(-1), p, 0, 0, roi,
    )  # fmt: skip


def stamp(number: int) -> int:
    return START_NS + number * PERIOD_NS


def drive(
    count: int = 6, *, ground_truth: bool = True, size: tuple[int, int] = SIZE
) -> list[Entry]:
    """A camera with calibration, and labels as its ground truth."""
    entries = []
    for number in range(count):
        at = stamp(number)
        entries += [
            Entry('/cam/image_raw', IMAGE, at, image_message(sample_image(number, size=size), at)),
            Entry('/cam/camera_info', CAMERA_INFO, at, camera_info(at)),
        ]
        if ground_truth:
            labels = sample_image(100 + number, 1, size) % 11
            entries.append(Entry('/truth/labels', IMAGE, at, image_message(labels, at, 'mono8')))
    return entries


def write_rosbags(
    path: Path, entries: list[Entry], storage: str = 'MCAP', compression: str = 'NONE'
) -> Path:
    """Write a folder by the writer of rosbags; the names are those of its enumerations."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage])
    writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for entry in entries:
            if entry.topic not in connections:
                connections[entry.topic] = writer.add_connection(
                    entry.topic, entry.type, typestore=STORE
                )
            writer.write(connections[entry.topic], entry.time_ns, entry.raw)
    return path


def write_mcap(
    path: Path, entries: list[Entry], compression: str = 'ZSTD', **options: Any
) -> Path:
    """Write one file by the library mcap; options are those of its Writer."""
    library = pytest.importorskip('mcap.writer', reason='mcap is not installed')
    options['compression'] = library.CompressionType[compression]
    path = path.with_suffix('.mcap')
    buffer = io.BytesIO()
    writer = library.Writer(buffer, **options)
    writer.start(profile='ros2', library='test')
    channels = {}
    for number, entry in enumerate(entries):
        if entry.topic not in channels:
            text, _ = STORE.generate_msgdef(entry.type, ros_version=2)
            schema = writer.register_schema(entry.type, 'ros2msg', text.encode())
            channels[entry.topic] = writer.register_channel(entry.topic, 'cdr', schema)
        writer.add_message(
            channels[entry.topic], entry.time_ns, bytes(entry.raw), entry.time_ns, number
        )
    writer.finish()
    path.write_bytes(buffer.getvalue())
    return path


WITHOUT_INDEX = {'use_chunking': False, 'use_summary_offsets': False, 'use_statistics': False}

WRITERS: dict[str, Callable[[Path, list[Entry]], Path]] = {
    'rosbags-mcap': write_rosbags,
    'rosbags-mcap-chunks-zstd': lambda *given: write_rosbags(*given, 'MCAP', 'STORAGE'),
    'rosbags-mcap-messages-zstd': lambda *given: write_rosbags(*given, 'MCAP', 'MESSAGE'),
    'rosbags-mcap-file-zstd': lambda *given: write_rosbags(*given, 'MCAP', 'FILE'),
    'rosbags-sqlite3': lambda *given: write_rosbags(*given, 'SQLITE3'),
    'rosbags-sqlite3-messages-zstd': lambda *given: write_rosbags(*given, 'SQLITE3', 'MESSAGE'),
    'rosbags-sqlite3-file-zstd': lambda *given: write_rosbags(*given, 'SQLITE3', 'FILE'),
    'mcap-zstd': write_mcap,
    'mcap-lz4': lambda *given: write_mcap(*given, 'LZ4'),
    'mcap-plain': lambda *given: write_mcap(*given, 'NONE'),
    'mcap-small-chunks': lambda *given: write_mcap(*given, chunk_size=4000),
    'mcap-without-chunks': lambda *given: write_mcap(*given, use_chunking=False),
    'mcap-without-index': lambda *given: write_mcap(*given, **WITHOUT_INDEX),
}
"""Who writes a recording, and how; each returns what to open."""


@pytest.fixture(scope='session')
def recordings() -> SimpleNamespace:
    """What makes messages and writes recordings."""
    return SimpleNamespace(**globals())


@pytest.fixture(scope='session', params=WRITERS)
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A drive of 20 frames as one writer after the other writes it: its path and its entries."""
    entries = drive(20)
    path = WRITERS[request.param](tmp_path_factory.mktemp('recording') / 'drive', entries)
    return SimpleNamespace(name=request.param, path=path, entries=entries)
