# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images with labels to train on, in the layouts they are published in.

To add a layout: one function that lists the pairs of a split, one row in KINDS.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError, SourceError, UnknownNameError
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.data.images import Pair, find_pairs, read_frame, to_rgb
from mfaranet_ros.data.label_table import LabelCodes
from mfaranet_ros.data.labels import GroundTruthReader, Pixels, ReadGroundTruth, read_camvid_colors
from mfaranet_ros.training.config import DataConfig

TRAIN, VALIDATION = 'train', 'val'

SHOWN = 3
"""Number of names listed in one message."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and what is in it.

    image: uint8 (H, W, 3) RGB. labels: uint8 (H, W) ids of the label set, 255 for none, and from
    the number of classes on the partial labels of the dataset. scale: what the random scales of
    the augmentation are multiplied by.
    """

    name: str
    image: Pixels
    labels: NDArray[np.uint8]
    scale: float = 1.0


@dataclass(frozen=True)
class Part:
    """The pairs of one data set, how their labels are read, and what it weighs among others.

    name: stands before the names of its images where there are several parts. scale: as that of
    a sample.
    """

    name: str
    pairs: tuple[Pair, ...]
    read_ground_truth: ReadGroundTruth
    weight: float = 1.0
    scale: float = 1.0

    def read(self, index: int) -> Sample:
        """Return one sample; raises SourceError, which names the file, for what is broken."""
        pair = self.pairs[index]
        if pair.ground_truth is None:
            raise SourceError(f'{pair.image} has no labels')
        image = to_rgb(read_frame(pair.image))
        labels = self.read_ground_truth(pair.ground_truth, image.shape[:2])
        return Sample(pair.name, image, labels, self.scale)

    def select(self, keep: Callable[[str], bool]) -> Part:
        """Return the pairs whose name is to be kept."""
        return dataclasses.replace(self, pairs=tuple(p for p in self.pairs if keep(p.name)))


@dataclass(frozen=True)
class Dataset:
    """One split of one or more data sets, read when it is asked for.

    codes: what the labels of its samples mean.
    """

    codes: LabelCodes
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def label_set(self) -> LabelSet:
        """The classes of the labels."""
        return self.codes.label_set

    @cached_property
    def _places(self) -> tuple[tuple[Part, int], ...]:
        return tuple((part, index) for part in self.parts for index in range(len(part.pairs)))

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The files of all parts, in order."""
        return tuple(pair for part in self.parts for pair in part.pairs)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The images' names, in order; equal names are equal images."""
        if len(self.parts) == 1:
            return tuple(pair.name for pair in self.pairs)
        return tuple(f'{part.name}/{pair.name}' for part in self.parts for pair in part.pairs)

    def read(self, index: int) -> Sample:
        """Return one sample; raises SourceError, which names the file, for what is broken."""
        part, place = self._places[index]
        return dataclasses.replace(part.read(place), name=self.names[index])

    def select(self, keep: Callable[[str], bool]) -> Dataset:
        """Return the pairs whose name is to be kept."""
        return dataclasses.replace(self, parts=tuple(part.select(keep) for part in self.parts))


class Cache:
    """A dataset that keeps what it has read, up to a number of bytes."""

    def __init__(self, dataset: Dataset, limit_bytes: float) -> None:
        self.dataset = dataset
        self._left = limit_bytes
        self._kept: dict[int, Sample] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, index: int) -> Sample:
        """Return one sample, which nobody may change; raises SourceError."""
        sample = self._kept.get(index)
        if sample is not None:
            return sample
        sample = self.dataset.read(index)
        size = sample.image.nbytes + sample.labels.nbytes
        with self._lock:
            if index not in self._kept and size <= self._left:
                self._left -= size
                self._kept[index] = sample
        return sample


@dataclass(frozen=True)
class Kind:
    """One layout: the label set of its files, '' if any, and what finds the pairs of a split."""

    labels: str
    find: Callable[[Path, str, LabelSet], tuple[Sequence[Pair], ReadGroundTruth]]


def open_data(config: DataConfig) -> tuple[Dataset, Dataset]:
    """Return what is trained on and what is validated on.

    Raises UnknownNameError, ConfigError, and SourceError for a layout that is not there, images
    without labels, labels without an image, and a split without any.
    """
    train = open_dataset(config.kind, config.root, TRAIN, config.labels)
    if not config.leave_out:
        validation = open_dataset(config.kind, config.root, VALIDATION, config.labels)
        if train.names == validation.names:
            logger.warning('the images trained on are those validated on: %s', config.root)
        return train, validation
    return _leave_out(train, [name.strip() for name in config.leave_out.split(',')])


def _leave_out(dataset: Dataset, drives: Sequence[str]) -> tuple[Dataset, Dataset]:
    known = {drive_of(name) for name in dataset.names}
    for drive in drives:
        if drive not in known:
            raise UnknownNameError('drive', drive, known)
    if known == set(drives):
        raise ConfigError(f'data.leave_out = {",".join(drives)!r}: leaves nothing to train on')
    return (
        dataset.select(lambda name: drive_of(name) not in drives),
        dataset.select(lambda name: drive_of(name) in drives),
    )


def drive_of(name: str) -> str:
    """Return the drive an image is of: what stands before the first _ of its name."""
    return name.rpartition('/')[2].partition('_')[0]


def open_dataset(kind: str, root: str | Path, split: str, labels: str = '') -> Dataset:
    """Return one split; labels: the label set, '' for the data's own. Raises as `open_data`."""
    if kind not in KINDS:
        raise UnknownNameError('data.kind', kind, KINDS)
    own = KINDS[kind].labels
    if not labels and not own:
        raise ConfigError(f'data.labels: {kind} have no label set of their own, name one')
    if labels and own and labels != own:
        raise ConfigError(f'data.labels = {labels!r}: the labels of {kind} are {own}')
    label_set = get_label_set(labels or own)
    root = Path(root).expanduser()
    pairs, read_ground_truth = KINDS[kind].find(root, split, label_set)
    if not pairs:
        raise SourceError(f'{root}: its split {split!r} is empty')
    return Dataset(LabelCodes(label_set), (Part(kind, tuple(pairs), read_ground_truth),))


def _find_camvid(
    root: Path, split: str, label_set: LabelSet
) -> tuple[Sequence[Pair], ReadGroundTruth]:
    """The 480x360 form that SegNet made common: SPLIT/images and SPLIT/labels, ids 0 to 11."""
    return _find_in_folders(root, f'{split}/images', f'{split}/labels', label_set)


def _find_cityscapes(
    root: Path, split: str, label_set: LabelSet
) -> tuple[Sequence[Pair], ReadGroundTruth]:
    """Cordts et al. (CVPR 2016): leftImg8bit/SPLIT/CITY and gtFine/SPLIT/CITY."""
    return _find_in_folders(root, f'leftImg8bit/{split}', f'gtFine/{split}', label_set)


def _find_folders(
    root: Path, split: str, label_set: LabelSet
) -> tuple[Sequence[Pair], ReadGroundTruth]:
    """Images and ids of equal stems: SPLIT/images and SPLIT/labels, or these for all splits."""
    both = (root / TRAIN).is_dir() and (root / VALIDATION).is_dir()
    start = f'{split}/' if both else ''
    return _find_in_folders(root, f'{start}images', f'{start}labels', label_set)


def _find_in_folders(
    root: Path, images: str, ground_truth: str, label_set: LabelSet
) -> tuple[Sequence[Pair], ReadGroundTruth]:
    _check_there(root, images, ground_truth)
    found = find_pairs(root / images, root / ground_truth)
    return found.pairs, GroundTruthReader(label_set, found.layout)


def _find_camvid_colors(
    root: Path, split: str, _label_set: LabelSet
) -> tuple[Sequence[Pair], ReadGroundTruth]:
    """The original 960x720 frames with 32 colours, and a list of the frames of each split."""
    images, ground_truth, names = '701_StillsRaw_full', 'LabeledApproved_full', f'{split}.txt'
    _check_there(root, images, ground_truth, names)
    files = [
        (name, root / images / f'{name}.png', root / ground_truth / f'{name}_L.png')
        for name in _read_list(root / names)
    ]
    return _listed_pairs(files), read_camvid_colors


def _find_pascal_context(
    root: Path, split: str, label_set: LabelSet
) -> tuple[Sequence[Pair], ReadGroundTruth]:
    """Mottaghi et al. (CVPR 2014) on VOC2010, its 59 classes as png: 1 to 59, 0 for none."""
    images, ground_truth = 'JPEGImages', 'SegmentationClassContext'
    names = f'ImageSets/SegmentationContext/{split}.txt'
    _check_there(root, images, ground_truth, names)
    files = [
        (name, root / images / f'{name}.jpg', root / ground_truth / f'{name}.png')
        for name in _read_list(root / names)
    ]
    return _listed_pairs(files), GroundTruthReader(label_set, first=1)


KINDS = {
    'camvid': Kind('camvid', _find_camvid),
    'camvid_colors': Kind('camvid', _find_camvid_colors),
    'cityscapes': Kind('cityscapes', _find_cityscapes),
    'folders': Kind('', _find_folders),
    'pascal_context': Kind('pascal_context', _find_pascal_context),
}
"""By the name of `data.kind`."""


def _check_there(root: Path, *wanted: str) -> None:
    """Raise SourceError, which says what there is instead, unless a data root holds all of it."""
    if not root.is_dir():
        raise SourceError(f'data root {root} is no folder')
    missing = [name for name in wanted if not (root / name).exists()]
    if missing:
        found = sorted(path.name for path in root.iterdir())
        raise SourceError(
            f'data root {root} is laid out otherwise: looked for {", ".join(wanted)}, missing '
            f'{", ".join(missing)}, found {_shorten(found) or "nothing"}'
        )


def _read_list(path: Path) -> list[str]:
    """Return the stems of a list with an image in each line, be it a name or paths."""
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f'{path} cannot be read as a list of images: {error}') from error
    return [Path(line.split()[0]).stem for line in lines if line.strip()]


def _listed_pairs(files: Iterable[tuple[str, Path, Path]]) -> list[Pair]:
    files = list(files)
    missing = [path for _, *both in files for path in both if not path.is_file()]
    if missing:
        raise SourceError(
            f'{len(missing)} files of the list are missing: {_shorten(list(map(str, missing)))}'
        )
    return [Pair(name, image, ground_truth) for name, image, ground_truth in files]


def _shorten(names: Sequence[str]) -> str:
    more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
    return ', '.join(names[:SHOWN]) + more


def count_classes(data: Cache, threads: int) -> NDArray[np.int64]:
    """Return how many pixels of each class and partial label each image has, int64 (N, C + K).

    What cannot be read has none.
    """
    codes = len(data.dataset.codes)

    def count(index: int) -> NDArray[np.int64]:
        try:
            labels = data.read(index).labels
        except SourceError:
            return np.zeros(codes, np.int64)
        return np.bincount(labels.ravel(), minlength=256)[:codes]

    with ThreadPoolExecutor(threads, 'reader') as pool:
        return np.stack(list(pool.map(count, range(len(data)))))


def class_shares(dataset: Dataset, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each class's share of the pixels that training sees, float64 (C,); sum 1 or 0.

    counts: what `count_classes` says. Each part counts as much as it weighs. A partial label's
    pixels go to its classes as they are distributed where the class is certain, evenly where none
    of them ever is.
    """
    classes = len(dataset.label_set)
    seen = np.zeros(counts.shape[1])
    first = 0
    for part in dataset.parts:
        own = counts[first : first + len(part.pairs)].sum(0)
        first += len(part.pairs)
        seen += part.weight * own / max(1, len(part.pairs))
    certain = seen[:classes]
    shares: NDArray[np.float64] = certain.copy()
    for pixels, members in zip(seen[classes:], dataset.codes.members[classes:], strict=True):
        among = np.where(members, certain, 0.0)
        if not among.any():
            among = members.astype(float)
        shares += pixels * among / among.sum()
    shares /= max(1e-12, shares.sum())
    return shares
