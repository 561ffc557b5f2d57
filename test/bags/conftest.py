"""Small recordings as other tools write them: rosbags in both storages, and the library mcap."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
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


def picture(number: int, channels: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture with smooth and noisy parts, so that it compresses as real ones do, and badly."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 256, (*size, channels), np.uint8)
    pixels[: size[0] // 2] = 10 + number % 200
    return pixels


def image(pixels: np.ndarray, stamp_ns: int, encoding: str = 'rgb8') -> Any:
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


def drive(count: int = 6, *, truth: bool = True, size: tuple[int, int] = SIZE) -> list[Entry]:
    """A camera with calibration, and labels as its truth."""
    entries = []
    for number in range(count):
        at = stamp(number)
        entries += [
            Entry('/cam/image_raw', IMAGE, at, image(picture(number, size=size), at)),
            Entry('/cam/camera_info', CAMERA_INFO, at, camera_info(at)),
        ]
        if truth:
            labels = picture(100 + number, 1, size) % 11
            entries.append(Entry('/truth/labels', IMAGE, at, image(labels, at, 'mono8')))
    return entries


def write_rosbags(
    path: Path,
    entries: list[Entry],
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
) -> Path:
    """Write a folder by the writer of rosbags."""
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for entry in entries:
            if entry.topic not in connections:
                connections[entry.topic] = writer.add_connection(
                    entry.topic, entry.type, typestore=STORE
                )
            writer.write(connections[entry.topic], entry.time_ns, entry.raw)
    return path


def write_mcap(path: Path, entries: list[Entry], **options: Any) -> Path:
    """Write one file by the library mcap; options are those of its Writer."""
    library = pytest.importorskip('mcap.writer', reason='mcap is not installed')
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
