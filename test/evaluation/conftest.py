"""What the tests of the evaluation share: folders of pictures, and pipelines without weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mfaranet_ros.pipeline.backends import BackendInfo
from mfaranet_ros.pipeline.config import PipelineConfig
from mfaranet_ros.pipeline.segmentation import SegmentationPipeline


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
def make_pipeline() -> Callable[..., SegmentationPipeline]:
    """Make a pipeline around a random backend."""

    def make(config: PipelineConfig | None = None, **backend: object) -> SegmentationPipeline:
        return SegmentationPipeline(config or PipelineConfig(), backend=RandomBackend(**backend))

    return make


@pytest.fixture
def make_folders(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write pictures and truth; return both folders.

    pictures, truths: arrays, or bytes of whole files, by the place of the file in its folder.
    """

    def make(pictures: dict[str, object], truths: dict[str, object]) -> tuple[Path, Path]:
        folders = tmp_path / 'images', tmp_path / 'truth'
        for folder, files in zip(folders, (pictures, truths), strict=True):
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
