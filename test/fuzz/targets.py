# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The readers that are given broken files: how a small valid file is made, and how it is read."""

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import safetensors.torch
import torch
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from mfaranet_ros.core.errors import DecodeError, MfaranetError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.specification_file import read_specification
from mfaranet_ros.curation.corrected import read_corrected
from mfaranet_ros.curation.exports import CVAT_ZIP, EXPORTS, TASKS, Labelled
from mfaranet_ros.curation.picks import RECORD, Curation, Pick, read_curation, write_curation
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.calibration_file import read_calibration
from mfaranet_ros.data.images import decode_bytes
from mfaranet_ros.data.label_table import read_table
from mfaranet_ros.data.labels import read_label_values
from mfaranet_ros.models.weights_file import read_weights
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.training.mixture import read_mixture

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE, CAMERA_INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'


@dataclass(frozen=True)
class Target:
    """A reader. name: of the file that is changed. seeds(folder): its valid contents.

    read(path): reads everything there is in the file; may only raise a MfaranetError.
    """

    name: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]


# -- bags ----------------------------------------------------------------------------------------


def _make(type_name, *values):
    return STORE.types[type_name](*values)


def _header(number):
    time = _make('builtin_interfaces/msg/Time', number, 0)
    return _make('std_msgs/msg/Header', time, 'camera')


def _messages():
    """Yield topic, type and message of a tiny recording."""
    roi = _make('sensor_msgs/msg/RegionOfInterest', 0, 0, 0, 0, False)
    for number in range(1, 4):
        pixels = np.full(6 * 8 * 3, number, np.uint8)
        yield '/image', IMAGE, _make(IMAGE, _header(number), 6, 8, 'rgb8', 0, 24, pixels)
        yield '/camera_info', CAMERA_INFO, _make(
            CAMERA_INFO, _header(number), 6, 8, 'plumb_bob', np.zeros(5), np.eye(3).reshape(-1),
            np.eye(3).reshape(-1), np.eye(3, 4).reshape(-1), 0, 0, roi,
        )  # fmt: skip


def bag(storage, compression='NONE'):
    """Return what makes the one file of a bag; the names are those of rosbags."""

    def seeds(folder):
        path = folder / f'{storage}_{compression}'
        writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage])
        writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
        with writer:
            connections = {}
            for number, (topic, kind, message) in enumerate(_messages()):
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
                raw = STORE.serialize_cdr(message, kind)
                writer.write(connections[topic], 10**9 * number, raw)
        (file,) = (each for each in path.iterdir() if each.suffix != '.yaml')
        return [file.read_bytes()]

    return seeds


def read_bag(path):
    """Read every message of every topic, as the player and the evaluation do."""
    with open_bag(path) as found:
        for topic in found.topics:
            for ask in (found.topic, found.stamp_range):
                with suppress(MfaranetError):
                    ask(topic)
        for item in found.messages():
            with suppress(DecodeError):
                item.message  # noqa: B018 (reading it is the test)
        str(found.truncated)


def metadata_seeds(folder):
    """Return the metadata.yaml of a bag."""
    bag('MCAP')(folder)
    return [(folder / 'MCAP_NONE/metadata.yaml').read_bytes()]


# -- weights -------------------------------------------------------------------------------------

TENSORS = {'a.weight': torch.ones(2, 3), 'b.bias': torch.zeros(4, dtype=torch.float16)}


def safetensors_seeds(folder):
    """Return a file of ours."""
    facts = {'model': 'eseg_lite_s', 'classes': '19', 'mean': '0.1,0.2,0.3', 'temperature': '1.5'}
    return [safetensors.torch.save(TENSORS, facts)]


def checkpoint_seeds(folder):
    """Return torch checkpoints: the present form, and the one before 1.6."""
    files = []
    for modern in (True, False):
        buffer = io.BytesIO()
        torch.save({'state_dict': TENSORS}, buffer, _use_new_zipfile_serialization=modern)
        files.append(buffer.getvalue())
    return files


# -- images --------------------------------------------------------------------------------------


def _image(suffix, channels=3, dtype=np.uint8):
    pixels = np.arange(12 * 16 * channels).reshape(12, 16, channels).astype(dtype)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def image_seeds(folder):
    """Return small images of each kind."""
    return [_image('.png'), _image('.jpg'), _image('.png', 1), _image('.png', 1, np.uint16)]


def compressed_message(path):
    """Decode the file as the data of a CompressedImage."""
    stamp = SimpleNamespace(sec=1, nanosec=0)
    header = SimpleNamespace(stamp=stamp, frame_id='camera')
    data = path.read_bytes()
    for text in ('jpeg', 'bayer_rggb8; png compressed ', '16UC1; png compressed '):
        decode(SimpleNamespace(header=header, format=text, data=data))


def image_file(path):
    """Decode the file as one of a folder of images."""
    decode_bytes(path, path.read_bytes())


# -- texts ---------------------------------------------------------------------------------------

CALIBRATION = b"""image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 320, 0, 500, 240, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [500, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0]}
"""
KALIBR = b"""cam0:
  camera_model: pinhole
  distortion_coeffs: [0.1, 0.2, 0.3, 0.4]
  distortion_model: equidistant
  intrinsics: [500.0, 500.0, 320.0, 240.0]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
"""
MIXTURE = b"""labels: cityscapes
sets:
- {name: a, root: data/a, table: a.txt, weight: 2.0, hold_out: 10}
- {name: b, root: data/b, hold_out: [x, y], validate: false, scale: 0.5}
"""
SPECIFICATION = b"""version: 1
labels:
- {name: background, role: background}
- {name: road, role: drivable, color: [1, 2, 3]}
input: {size: [384, 640], channels: bgr, mean: [1, 2, 3], range: [0, 255]}
outputs:
- {name: da, classes: [background, road]}
"""
TABLE = b'0: road  # the road\n1: car, truck\n7: 3, 4\n255:\n'


def texts(*seeds):
    """Return these contents."""
    return lambda folder: list(seeds)


def label_table(path):
    """Read the file as a table to the classes of Cityscapes."""
    read_table(path, get_label_set('cityscapes'))


# -- corrected masks -----------------------------------------------------------------------------

CAMVID = get_label_set('camvid')


def _labelled():
    labels = np.arange(6 * 8).reshape(6, 8).astype(np.uint8) % 11
    return [Labelled('a', np.zeros((6, 8, 3), np.uint8), labels)]


def _exported(name, file):
    """Return what exports a frame for a tool; file: the one that is read back."""

    def seeds(folder):
        EXPORTS[name](folder, _labelled(), CAMVID)
        data = (folder / file).read_bytes()
        return [data.replace(b'"predictions"', b'"annotations"')]

    return seeds


def corrected_masks(path):
    """Read the file as the export of a labelling tool."""
    picks = (Pick('a', path.parent, 0, 'a', 6, 8),)
    read_corrected(path, Curation(CAMVID, '', picks))


def curation_seeds(folder):
    """Return the record of a curation."""
    pick = Pick('a', folder, 0, 'a', 6, 8)
    write_curation(folder, Curation(CAMVID, '', (pick,)), {}, [])
    return [(folder / RECORD).read_bytes()]


TARGETS = {
    'mcap': Target('x.mcap', bag('MCAP'), read_bag),
    'mcap_zstd': Target('x.mcap', bag('MCAP', 'STORAGE'), read_bag),
    'sqlite': Target('x.db3', bag('SQLITE3'), read_bag),
    'sqlite_messages_zstd': Target('x.db3', bag('SQLITE3', 'MESSAGE'), read_bag),
    'sqlite_file_zstd': Target('x.db3.zstd', bag('SQLITE3', 'FILE'), read_bag),
    'bag_metadata': Target('metadata.yaml', metadata_seeds, lambda path: open_bag(path.parent)),
    'safetensors': Target('x.safetensors', safetensors_seeds, read_weights),
    'checkpoint': Target('x.pth', checkpoint_seeds, read_weights),
    'specification': Target('x.yaml', texts(SPECIFICATION), read_specification),
    'compressed_image': Target('x.bin', image_seeds, compressed_message),
    'image_file': Target('x.png', image_seeds, image_file),
    'label_image': Target('x.png', image_seeds, read_label_values),
    'calibration': Target('x.yaml', texts(CALIBRATION, KALIBR), read_calibration),
    'mixture': Target('x.yaml', texts(MIXTURE), read_mixture),
    'cvat': Target('x.zip', _exported('cvat', CVAT_ZIP), corrected_masks),
    'label_studio': Target('x.json', _exported('label-studio', TASKS), corrected_masks),
    'curation': Target(RECORD, curation_seeds, lambda path: read_curation(path.parent)),
    'label_table': Target('x.txt', texts(TABLE), label_table),
}
"""Every reader of files by its name."""
