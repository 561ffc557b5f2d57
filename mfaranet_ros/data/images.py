# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Image files: found in folders, matched with their ground truth, read and decoded.

A network is only scored on all images or on none: what is missing or broken is named before
anything is run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.pipeline.decode import decode

COMPRESSED_FORMATS = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png'}
"""The files that can be sent as they are, with their name in CompressedImage.format."""

IMAGE_SUFFIXES = (*COMPRESSED_FORMATS, '.bmp', '.ppm', '.pgm', '.tif', '.tiff', '.webp')
GROUND_TRUTH_SUFFIX = '.png'

SHOWN = 3
"""The files that one message names."""


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
    """The images of a folder in the order of their names, and how to read their ground truth."""

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
    files = [file for file in walk(folder) if file.suffix.lower() in suffixes]
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


def read_frame(path: Path) -> Frame:
    """Read an image as the node would get it; raises SourceError, which names the file."""
    return decode_bytes(path, read_bytes(path))


def check_pairs(
    pairs: Pairs,
    read_ground_truth: Callable[[Path, tuple[int, int]], NDArray[np.uint8]],
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
    """Decode what was read from an image file; raises SourceError, which names the file.

    JPEG and PNG are decoded as the node decodes them, the others of IMAGE_SUFFIXES by OpenCV.
    """
    header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id='')
    suffix = path.suffix.lower()
    try:
        if suffix not in IMAGE_SUFFIXES or suffix in COMPRESSED_FORMATS:
            return decode(SimpleNamespace(header=header, format=suffix[1:], data=data))
        return Frame(_decode_by_opencv(data), 'bgr8', 0, '')
    except DecodeError as error:
        reason = str(error).partition(';')[0]  # what follows is advice about cameras
        raise SourceError(f'{path} is broken: {reason}') from error


def _decode_by_opencv(data: bytes) -> NDArray[np.uint8]:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise DecodeError('data', ' '.join(str(error.err).split())) from error
    if pixels is None:
        raise DecodeError('data', 'it cannot be decoded')
    return np.asarray(pixels)


def to_rgb(frame: Frame) -> NDArray[np.uint8]:
    """Return the pixels of a frame as RGB, uint8 (H, W, 3); a view where they are RGB already."""
    if frame.encoding == 'rgb8':
        return frame.pixels
    return np.asarray(cv2.cvtColor(frame.pixels, _TO_RGB[frame.encoding]), np.uint8)


_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
}


def walk(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Yield the files in a folder and below it; linked folders are followed, but not in circles.

    above: device and inode of the folders it is in. Raises SourceError for a folder that cannot
    be read.
    """
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f'{folder} cannot be read: {error.strerror or error}') from error
    place = status.st_dev, status.st_ino
    if place in above:
        return
    for entry in entries:
        if entry.is_dir():
            yield from walk(Path(entry.path), (*above, place))
        else:
            yield Path(entry.path)


def _listed(texts: Sequence[str], separator: str = ', ') -> str:
    more = f' and {len(texts) - SHOWN} more' if len(texts) > SHOWN else ''
    return separator.join(texts[:SHOWN]) + more
