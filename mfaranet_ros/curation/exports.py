# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The chosen frames with the labels of the network, as labelling tools read them.

plain: images/ and labels/ with class ids. cvat: a zip of "Segmentation mask 1.1". label-studio:
tasks with brush predictions and the labelling interface. fiftyone: an
ImageSegmentationDirectory, in which 0 means no class and the ids begin with 1.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.core.files import write_file, write_json, write_text
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.curation.brush import encode_brush
from mfaranet_ros.curation.colors import distinct_colors, to_colors

CLASSES = 'classes.txt'
CVAT_ZIP = 'cvat.zip'
LABEL_MAP = 'labelmap.txt'
MASKS = 'SegmentationClass'
TASKS, INTERFACE = 'tasks.json', 'labeling_interface.xml'
BACKGROUND = 'background'


@dataclass(frozen=True, eq=False)
class Labelled:
    """A chosen frame: rgb, uint8 (H, W, 3), and labels, uint8 (H, W)."""

    stem: str
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def write_images(folder: Path, frames: Sequence[Labelled]) -> None:
    """Write the images as PNG; raises OutputError."""
    for frame in frames:
        path = folder / f'{frame.stem}.png'
        write_file(path, _png(frame.rgb[:, :, ::-1]), parents=True)


def write_plain(out: Path, frames: Sequence[Labelled], label_set: LabelSet) -> None:
    """Write class ids as PNG and their names, a line each, beside the images."""
    for frame in frames:
        write_file(out / 'labels' / f'{frame.stem}.png', _png(frame.labels), parents=True)
    write_text(out / CLASSES, '\n'.join(label_set.names) + '\n')


def write_cvat(out: Path, frames: Sequence[Labelled], label_set: LabelSet) -> None:
    """Write the zip to upload as annotations to a task that has the images."""
    colors = distinct_colors(label_set)
    rows = [(BACKGROUND, (0, 0, 0)), *zip(label_set.names, colors.tolist(), strict=True)]
    lines = ['# label:color_rgb:parts:actions']
    lines += [f'{name}:{red},{green},{blue}::' for name, (red, green, blue) in rows]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(LABEL_MAP, '\n'.join(lines) + '\n')
        stems = '\n'.join(frame.stem for frame in frames)
        archive.writestr('ImageSets/Segmentation/default.txt', stems + '\n')
        for frame in frames:
            mask = to_colors(frame.labels, colors)[:, :, ::-1]
            archive.writestr(f'{MASKS}/{frame.stem}.png', _png(mask))
            # Each class is one object here; the boundaries of single ones are not known.
            archive.writestr(f'SegmentationObject/{frame.stem}.png', _png(mask))
    write_file(out / CVAT_ZIP, packed.getvalue(), parents=True)


def write_label_studio(out: Path, frames: Sequence[Labelled], label_set: LabelSet) -> None:
    """Write tasks with brush predictions, images by Label Studio's local file storage."""
    tasks = [_task(frame, label_set) for frame in frames]
    write_file(out / TASKS, json.dumps(tasks) + '\n', parents=True)
    colors = distinct_colors(label_set).tolist()
    labels = '\n'.join(
        f'    <Label value={quoteattr(name)} background="#{red:02x}{green:02x}{blue:02x}"/>'
        for name, (red, green, blue) in zip(label_set.names, colors, strict=True)
    )
    write_text(
        out / INTERFACE,
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <BrushLabels name="labels" toName="image">\n{labels}\n  </BrushLabels>\n</View>\n',
    )


def _task(frame: Labelled, label_set: LabelSet) -> Mapping[str, object]:
    height, width = frame.labels.shape
    results = [
        {
            'id': f'{frame.stem}_{index}', 'type': 'brushlabels', 'from_name': 'labels',
            'to_name': 'image', 'original_width': width, 'original_height': height,
            'image_rotation': 0,
            'value': {
                'format': 'rle', 'rle': encode_brush(frame.labels == index),
                'brushlabels': [label_set.names[index]],
            },
        }
        for index in np.unique(frame.labels).tolist()
        if index < len(label_set)
    ]  # fmt: skip
    image = f'/data/local-files/?d=images/{frame.stem}.png'
    prediction = {'model_version': 'mfaranet_ros', 'result': results}
    return {'data': {'image': image, 'stem': frame.stem}, 'predictions': [prediction]}


def write_fiftyone(out: Path, frames: Sequence[Labelled], label_set: LabelSet) -> None:
    """Write data/, labels/ and mask_targets.json of an ImageSegmentationDirectory."""
    shift = np.zeros(256, np.uint8)
    shift[: len(label_set)] = np.arange(1, len(label_set) + 1)
    write_images(out / 'data', frames)
    for frame in frames:
        path = out / 'labels' / f'{frame.stem}.png'
        write_file(path, _png(shift[frame.labels]), parents=True)
    targets = {str(index + 1): name for index, name in enumerate(label_set.names)}
    write_json(out / 'mask_targets.json', targets)


def _png(image: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode('.png', np.ascontiguousarray(image))
    if not done:
        raise OutputError(f'an image of shape {image.shape} cannot be written as PNG')
    return bytes(data)


Export = Callable[[Path, Sequence[Labelled], LabelSet], None]

EXPORTS: Mapping[str, Export] = {
    'plain': write_plain,
    'cvat': write_cvat,
    'label-studio': write_label_studio,
    'fiftyone': write_fiftyone,
}
"""By name: what writes the masks; the plain one beside images/, each other in its own folder."""
