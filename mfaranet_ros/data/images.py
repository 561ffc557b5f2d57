# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images and their ground truth in two folders: matched by name, checked, read.

A network is only scored on all images or on none: what is missing or broken is named before
anything is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError, DecodeError, SourceError
from mfaranet_ros.core.frame import UNLABELED, Frame
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.labels import LARGEST_LABEL_ID, to_train_ids
from mfaranet_ros.pipeline.decode import decode

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png')
GROUND_TRUTH_SUFFIX = '.png'
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'

VOID_IDS = {'camvid': (11,)}
"""The ids beside 255 that the common files of a label set give to pixels of no class."""

SHOWN = 3
"""So many files are named in one message."""


@dataclass(frozen=True)
class Layout:
    """What the names of a dataset's files end in, and which ids its ground truth holds.

    An image and its ground truth lie in the same place below their folders, and their stems are
    equal but for these endings. label_ids: the ground truth holds the label ids of Cityscapes.
    """

    image: str = ''
    ground_truth: str = ''
    label_ids: bool = False


LAYOUTS = (
    Layout('_leftImg8bit', '_gtFine_labelTrainIds'),
    Layout('_leftImg8bit', '_gtFine_labelIds', label_ids=True),
    Layout(),
)
"""The first of which there is a ground truth file is taken; the last is any pair of folders."""


@dataclass(frozen=True)
class Pair:
    """An image and its ground truth, None where there is none to compare with."""

    name: str
    image: Path
    ground_truth: Path | None


@dataclass(frozen=True)
class Pairs:
    """The images of a folder in the order of their names, and how their ground truth is to be
    read."""

    pairs: tuple[Pair, ...]
    layout: Layout

    def __len__(self) -> int:
        return len(self.pairs)


def find_pairs(images: Path, ground_truth: Path | None) -> Pairs:
    """Match the images of a folder with their ground truth, both with their subfolders.

    ground_truth: None if there is none. Raises SourceError where a folder or an image is missing,
    and where an image has no ground truth or a ground truth no image.
    """
    image_files = _list_files(images, IMAGE_SUFFIXES, 'images')
    if ground_truth is None:
        found = _by_name(images, image_files, '')
        return Pairs(tuple(Pair(name, file, None) for name, file in found.items()), Layout())
    ground_truths = _list_files(ground_truth, (GROUND_TRUTH_SUFFIX,), 'ground truth')
    layout = next(
        one
        for one in LAYOUTS
        if any(file.stem.endswith(one.ground_truth) for file in ground_truths)
    )
    ours, theirs = (
        _by_name(images, image_files, layout.image),
        _by_name(ground_truth, ground_truths, layout.ground_truth),
    )
    _check_complete(
        ours.keys() - theirs.keys(), f'images in {images}', f'ground truth in {ground_truth}'
    )
    _check_complete(
        theirs.keys() - ours.keys(), f'ground truth in {ground_truth}', f'image in {images}'
    )
    return Pairs(tuple(Pair(name, ours[name], theirs[name]) for name in ours), layout)


def _list_files(folder: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    folder = folder.expanduser()
    if not folder.is_dir():
        raise SourceError(f'{folder} is no folder: give the folder of the {what}')
    files = [file for file in folder.rglob('*') if file.suffix.lower() in suffixes]
    if not files:
        raise SourceError(f'{folder} holds none of {", ".join(suffixes)}: give the {what}')
    return files


def _by_name(folder: Path, files: Iterable[Path], ending: str) -> dict[str, Path]:
    """Return the files whose stem has this ending, by their place without it, in order."""
    folder = folder.expanduser()
    found: dict[str, Path] = {}
    for file in sorted(files):
        if not file.stem.endswith(ending):
            continue
        name = (file.relative_to(folder).parent / file.stem.removesuffix(ending)).as_posix()
        if name in found:
            raise SourceError(f'{found[name]} and {file} have one name: leave one of them')
        found[name] = file
    return dict(sorted(found.items()))


def _check_complete(lonely: Iterable[str], what: str, missing: str) -> None:
    names = sorted(lonely)
    if names:
        raise SourceError(
            f'{len(names)} {what} have no {missing} ({_listed(names)}): they are matched by their '
            'names, give all of both'
        )


class GroundTruthReader:
    """Reads ground truth as class ids of a label set, 255 where a pixel is of no class.

    ignored: further ids that mean no class; 255 and those of VOID_IDS always do.
    Raises ConfigError where the layout's ids are not of this label set.
    """

    def __init__(self, label_set: LabelSet, layout: Layout, ignored: Iterable[int] = ()) -> None:
        self._ids = to_train_ids() if layout.label_ids else np.arange(256, dtype=np.uint8)
        self._allowed = np.zeros(256, bool)
        if layout.label_ids:
            if label_set.name != 'cityscapes':
                raise ConfigError(
                    f'the ground truth holds label ids of cityscapes, the labels are '
                    f'{label_set.name}: '
                    'give ground truth of the label set that the weights were trained on'
                )
            self._allowed[: LARGEST_LABEL_ID + 1] = True
        self._allowed[: len(label_set)] = True
        void = [UNLABELED, *VOID_IDS.get(label_set.name, ()), *ignored]
        self._ids[void] = UNLABELED
        self._allowed[void] = True
        self._refused = (~self._allowed).astype(np.uint8)
        self._set = label_set.name

    def __call__(self, path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return uint8 (H, W) class ids; size: height and width of the image.

        Raises SourceError, which names the file, if it is no 8-bit gray png, of another size, or
        holds other ids.
        """
        data = read_bytes(path)
        frame = decode_bytes(path, data)
        # The name may lie; a png says its bit depth and colour type in the header.
        if not data.startswith(PNG_SIGNATURE) or data[24:26] != b'\x08\x00':
            raise SourceError(f'{path} must be an 8-bit gray png of class ids: convert it')
        return self.ids_of(str(path), frame.pixels[..., 0], size)

    def ids_of(
        self, where: str, values: NDArray[np.uint8], size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Return values (H, W) of a ground truth as class ids; where: what errors call it.

        Raises SourceError if it is of another size than the image, or holds other ids.
        """
        if values.shape != size:
            raise SourceError(f'{where} is {_in_px(values.shape)}, its image {_in_px(size)}')
        if cv2.LUT(values, self._refused).any():
            seen = np.bincount(values.ravel(), None, 256) > 0
            outside = np.flatnonzero(~self._allowed & seen)
            raise SourceError(
                f'{where} holds the values {", ".join(map(str, outside))}, which are not of '
                f'{self._set}: convert them, or have them ignored'
            )
        return np.asarray(cv2.LUT(values, self._ids), np.uint8)


def read_frame(path: Path) -> Frame:
    """Read an image as the node would get it; raises SourceError, which names the file."""
    return decode_bytes(path, read_bytes(path))


def check_pairs(
    pairs: Pairs,
    read_ground_truth: GroundTruthReader,
    on_pair: Callable[[], object] = lambda: None,
) -> str:
    """Read every file once; return the sha256 of all of them, one after the other.

    Raises SourceError, which names the files, if one cannot be read or does not fit.
    """
    total = hashlib.sha256()
    problems: list[str] = []
    for pair in pairs.pairs:
        try:
            data = read_bytes(pair.image)
            total.update(data)
            frame = decode_bytes(pair.image, data)
            if pair.ground_truth is not None:
                read_ground_truth(pair.ground_truth, frame.size)
                total.update(read_bytes(pair.ground_truth))
        except SourceError as error:
            problems.append(str(error))
        on_pair()
    if problems:
        raise SourceError(_listed(problems, '; '))
    return total.hexdigest()


def read_bytes(path: Path) -> bytes:
    """Read a file; raises SourceError, which names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f'{path} cannot be read: {error.strerror}') from error


def decode_bytes(path: Path, data: bytes) -> Frame:
    """Decode what was read from an image; raises SourceError, which names the file."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id='')
    try:
        return decode(SimpleNamespace(header=header, format=path.suffix[1:], data=data))
    except DecodeError as error:
        reason = str(error).partition(';')[0]  # what follows is advice about cameras
        raise SourceError(f'{path} is broken: {reason}') from error


def _listed(texts: Sequence[str], separator: str = ', ') -> str:
    more = f' and {len(texts) - SHOWN} more' if len(texts) > SHOWN else ''
    return separator.join(texts[:SHOWN]) + more


def _in_px(size: tuple[int, ...]) -> str:
    return f'{size[1]}x{size[0]} px'
