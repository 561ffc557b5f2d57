# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks that people have corrected, read back from a labelling tool as class ids."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.curation.brush import decode_brush
from mfaranet_ros.curation.colors import VOID, from_colors
from mfaranet_ros.curation.exports import BACKGROUND, LABEL_MAP, MASKS
from mfaranet_ros.curation.picks import Curation, Pick
from mfaranet_ros.data.labels import read_label_values

ADVICE = 'give the export of CVAT (zip), Label Studio (JSON), FiftyOne or a folder with labels/'
MAX_FILE_BYTES = 1 << 28
"""Of one mask in a zip; more is not unpacked."""

BROKEN = (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile)
"""What zipfile raises for files that are damaged, encrypted or packed in another way."""

Masks = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Corrected:
    """Class ids, uint8 (H, W), by the stem of the frame, VOID for none; what is odd, in lines."""

    masks: Mapping[str, NDArray[np.uint8]]
    notes: tuple[str, ...]


def read_corrected(path: Path, curation: Curation) -> Corrected:
    """Read the masks of what was exported; of frames that were not chosen nothing is read.

    Raises SourceError, which names the mask and what is wrong with it.
    """
    path = path.expanduser()
    picks = {pick.stem: pick for pick in curation.picks}
    names = curation.label_set.names
    if path.suffix == '.json':
        masks = dict(_label_studio(path, picks, names))
        notes: list[str] = []
    elif path.suffix == '.zip' or (path / LABEL_MAP).is_file():
        masks, notes = _cvat(path, picks, curation.label_set)
    elif (path / 'labels').is_dir():
        begin = 1 if (path / 'data').is_dir() else 0
        masks, notes = _folder(path / 'labels', picks, len(names), begin), []
    else:
        raise SourceError(f'{path} is no export that is known: {ADVICE}')
    if not masks:
        raise SourceError(f'{path} has no mask of the chosen frames: {ADVICE}')
    for stem, mask in masks.items():
        if mask.shape != (picks[stem].height, picks[stem].width):
            size = f'{mask.shape[1]}x{mask.shape[0]}'
            raise SourceError(
                f'{path}: the mask of {stem} is {size} px, its image '
                f'{picks[stem].width}x{picks[stem].height}: export it at the size of the image'
            )
    missing = len(picks) - len(masks)
    if missing:
        notes.append(f'{missing} of {len(picks)} frames have no mask')
    return Corrected(masks, tuple(notes))


def _folder(folder: Path, picks: Mapping[str, Pick], classes: int, begin: int) -> Masks:
    """Read ids that begin with `begin`; 255, and 0 where they begin with 1, are VOID."""
    masks = {}
    for file in sorted(folder.glob('*.png')):
        if file.stem in picks:
            ids = read_label_values(file).astype(np.int64)
            void = (ids == VOID) | (ids < begin)
            labels = np.where(void, VOID, ids - begin)
            wrong = labels[(labels >= classes) & (labels != VOID)]
            if wrong.size:
                raise SourceError(
                    f'{file} has the id {int(wrong[0]) + begin}: choose from {begin} to '
                    f'{classes - 1 + begin}, or 255 for no class'
                )
            masks[file.stem] = labels.astype(np.uint8)
    return masks


def _decode_bgr(data: bytes) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # empty, or larger than OpenCV reads
        return None


def _cvat(path: Path, picks: Mapping[str, Pick], label_set: LabelSet) -> tuple[Masks, list[str]]:
    files = _files(path)
    if LABEL_MAP not in files:
        raise SourceError(f'{path} has no {LABEL_MAP}: export as "Segmentation mask 1.1"')
    order, colors = _label_map(files[LABEL_MAP].decode(errors='replace'), label_set, path)
    masks, notes = {}, []
    for name, data in files.items():
        place = PurePosixPath(name)
        if place.parent.name == MASKS and place.stem in picks:
            bgr = _decode_bgr(data)
            if bgr is None:
                raise SourceError(f'{path}: {name} is no image, export again')
            ids, unknown = from_colors(np.asarray(bgr[:, :, ::-1], np.uint8), colors)
            if unknown:
                notes.append(f'{place.stem}: {unknown} pixels have a colour of no class')
            masks[place.stem] = order[ids]
    return masks, notes


def _label_map(
    text: str, label_set: LabelSet, path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the id of each row of a label map, uint8 (256,), and the colours of the rows."""
    ids, colors = [], []
    for line in text.splitlines():
        if line.startswith('#') or not line.strip():
            continue
        name, _, rest = line.partition(':')
        if name == BACKGROUND:
            continue
        try:
            color = [int(part) for part in rest.split(':')[0].split(',')]
            ids.append(label_set.names.index(name))
        except ValueError:
            raise SourceError(
                f'{path}: {LABEL_MAP} has {line!r}, choose from {", ".join(label_set.names)}'
            ) from None
        colors.append(color)
    order = np.full(256, VOID, np.uint8)
    order[: len(ids)] = ids
    return order, np.array(colors, np.uint8).reshape(-1, 3)


def _files(path: Path) -> dict[str, bytes]:
    """Return the contents of a zip, or of a folder, by the place in it."""
    try:
        if path.is_dir():
            files = [path / LABEL_MAP, *sorted((path / MASKS).glob('*.png'))]
            return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            large = [one for one in archive.infolist() if one.file_size > MAX_FILE_BYTES]
            if large:
                raise SourceError(f'{path}: {large[0].filename} is too large for a mask')
            wanted = [one for one in archive.namelist() if MASKS in one or one == LABEL_MAP]
            return {name: archive.read(name) for name in wanted}
    except BROKEN as error:
        raise SourceError(f'{path} cannot be read: {error}; {ADVICE}') from error


def _label_studio(
    path: Path, picks: Mapping[str, Pick], names: tuple[str, ...]
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield the masks of the last annotation of each task; a task without one is not labelled."""
    try:
        tasks = json.loads(path.read_bytes())
        for task in tasks:
            stem = str(task['data'].get('stem') or PurePosixPath(task['data']['image']).stem)
            done = [one for one in task.get('annotations', ()) if not one.get('was_cancelled')]
            if stem in picks and done:
                yield stem, _merge(done[-1]['result'], picks[stem], names)
    except OSError as error:
        raise SourceError(f'{path} cannot be read: {error.strerror}; {ADVICE}') from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f'{path} is no JSON export of Label Studio ({error!r}): {ADVICE}'
        ) from error


def _merge(results: list[Any], pick: Pick, names: tuple[str, ...]) -> NDArray[np.uint8]:
    labels = np.full((pick.height, pick.width), VOID, np.uint8)
    for result in results:
        if result.get('type') != 'brushlabels':
            continue
        (name,) = result['value']['brushlabels']
        if name not in names:
            raise SourceError(f'{pick.stem}: {name!r} is no class, choose from {", ".join(names)}')
        height, width = int(result['original_height']), int(result['original_width'])
        if (height, width) != labels.shape:
            raise SourceError(
                f'{pick.stem}: a mask is of an image of {width}x{height} px, this one is '
                f'{pick.width}x{pick.height}'
            )
        labels[decode_brush(result['value']['rle'], height, width)] = names.index(name)
    return labels
