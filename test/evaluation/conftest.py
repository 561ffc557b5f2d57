# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the evaluation share: folders of images, and pipelines without weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from mfaranet_ros.backends import BackendInfo
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class RandomBackend:
    """A fixed random convolution of stride 4, which has no symmetry and sees 11 px around."""

    name = 'random'
    device = torch.device('cpu')
    dtype = torch.float32

    def __init__(self, classes: int = 11, error: Exception | None = None) -> None:
        generator = torch.Generator().manual_seed(1)
        self.weight = torch.randn(classes, 3, 11, 11, generator=generator)
        self.error = error
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.error is not None:
            raise self.error
        self.sizes.append((tensor.shape[2], tensor.shape[3]))
        return F.conv2d(tensor, self.weight, stride=4, padding=5)

    def describe(self) -> BackendInfo:
        return BackendInfo(self.name, 'cpu', 'float32', 'a test')

    def close(self) -> None:
        pass


@pytest.fixture
def make_pipeline() -> Callable[..., FrameProcessor]:
    """Make a pipeline around a random backend."""

    def make(config: PipelineConfig | None = None, **backend: object) -> FrameProcessor:
        return build_processor(config or PipelineConfig(), backend=RandomBackend(**backend))

    return make


@pytest.fixture
def make_folders(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write images and ground truth; return both folders.

    images, ground truth: arrays, or bytes of whole files, by the place of the file in its folder.
    """

    def make(images: dict[str, object], ground_truths: dict[str, object]) -> tuple[Path, Path]:
        folders = tmp_path / 'images', tmp_path / 'ground_truth'
        for folder, files in zip(folders, (images, ground_truths), strict=True):
            folder.mkdir(exist_ok=True)
            for name, content in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, np.ndarray):
                    content = cv2.imencode(path.suffix, content)[1].tobytes()
                path.write_bytes(content)
        return folders

    return make


@pytest.fixture
def shared(repository: Path) -> Path:
    """The folder of reference data beside the repository."""
    folder = repository.parent / 'shared'
    if not folder.is_dir():
        pytest.skip(f'the reference data {folder} is not here')
    return folder


STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000


def make_message(name: str, *args: object) -> object:
    """Make a message by the last part of its type's name, as `make_message('Image', ...)`."""
    return STORE.types[next(each for each in STORE.types if each.endswith(f'/msg/{name}'))](*args)


def make_header(stamp_ns: int, frame_id: str = 'camera') -> object:
    return make_message('Header', make_message('Time', *divmod(stamp_ns, 10**9)), frame_id)


def image(pixels: np.ndarray, stamp_ns: int, encoding: str) -> object:
    height, width = pixels.shape[:2]
    step = pixels.size // height
    return make_message(
        'Image', make_header(stamp_ns), height, width, encoding, 0, step, pixels.reshape(-1).copy()
    )


def write_messages(path: Path, messages: Iterable[tuple[str, int, object]], storage: str) -> Path:
    """Write messages (topic, time, message) by the writer of rosbags, which is not ours."""
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        connections: dict[str, Any] = {}
        for topic, time_ns, content in messages:
            name = content.__msgtype__  # type: ignore[attr-defined]
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=STORE)
            writer.write(connections[topic], time_ns, STORE.serialize_cdr(content, name))
    return path


@dataclass(frozen=True)
class Street:
    """A few small frames of a street with ground truth, and the ways in which they are
    recorded."""

    images: list[np.ndarray]
    ground_truths: list[np.ndarray]
    stamps: list[int]

    def messages(
        self, ground_truth: bool = True, shift_ns: int = 0, encoding: str = 'rgb8'
    ) -> list[tuple[str, int, object]]:
        """Return the messages of a recording; shift_ns: how much too late the ground truth is
        stamped."""
        found = []
        for sample_image, labels, stamp in zip(
            self.images, self.ground_truths, self.stamps, strict=True
        ):
            found.append(('/front/image_raw', stamp, image(sample_image, stamp, encoding)))
            if ground_truth:
                told = image(labels, stamp + shift_ns, 'mono8')
                found.append(('/truth/labels', stamp + 1000, told))
        return found

    def bag(self, path: Path, storage: str = 'mcap', **how: Any) -> Path:
        return write_messages(path, self.messages(**how), storage)

    def folders(self, path: Path) -> tuple[Path, Path]:
        """Write the same frames and ground truth as images, named by their stamps."""
        for name in ('images', 'truth'):
            (path / name).mkdir(parents=True)
        for sample_image, labels, stamp in zip(
            self.images, self.ground_truths, self.stamps, strict=True
        ):
            name = f'{stamp // 10**9}.{stamp % 10**9:09d}.png'
            (path / 'images' / name).write_bytes(png(sample_image[..., ::-1]))
            (path / 'truth' / name).write_bytes(png(labels))
        return path / 'images', path / 'truth'


def png(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode('.png', np.ascontiguousarray(pixels))[1])


@pytest.fixture(scope='session')
def message() -> Callable[..., object]:
    """Make a message."""
    return make_message


@pytest.fixture(scope='session')
def header() -> Callable[..., object]:
    """Make a header."""
    return make_header


@pytest.fixture(scope='session')
def write_bag() -> Callable[..., Path]:
    """Write messages as a bag."""
    return write_messages


@pytest.fixture(scope='session')
def street() -> Street:
    """Five frames of 64x96 px; what a network sees in them differs from frame to frame."""
    scene = cv2.resize(stored_frame().pixels[..., :3], (160, 80), interpolation=cv2.INTER_AREA)
    images = [np.ascontiguousarray(scene[8:72, 8 * i : 8 * i + 96]) for i in range(5)]
    below, aside = np.mgrid[0:64, 0:96]
    road = np.where((below > 32) & (abs(aside - 48) < below - 20), 3, 1).astype(np.uint8)
    road[:16] = 0
    ground_truths = [np.roll(road, -2 * i, axis=1) for i in range(5)]
    ground_truths[1][-3:] = 11
    return Street(images, ground_truths, [START_NS + i * PERIOD_NS for i in range(5)])


SMALL = (
    '--set', 'input.height=64', '--set', 'input.width=96', '--set', 'runtime.backend=torch',
    '--set', 'runtime.precision=float32', '--set', 'runtime.threads=1', '--scales', '2',
)  # fmt: skip
"""The real network at the size of the street, so that its self-test is quick, too."""


@pytest.fixture(scope='session')
def expected(street: Street, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of the street as folders of images."""
    folder = tmp_path_factory.mktemp('street')
    images, ground_truth = map(str, street.folders(folder))
    path = folder / 'figures.json'
    given = ('--images', images, '--ground-truth', ground_truth, '--json', str(path))
    assert main(['evaluate', *SMALL, *given]) == 0
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return found


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run `mfaranet evaluate`; return exit code, what it printed, and what it wrote as JSON."""

    def run(*arguments: object, json_to: Path) -> tuple[int, Any, dict[str, Any]]:
        code = main(['evaluate', *SMALL, '--json', str(json_to), *map(str, arguments)])
        printed = capsys.readouterr()
        found = json.loads(json_to.read_text(encoding='utf-8')) if json_to.exists() else {}
        return code, printed, found

    return run
