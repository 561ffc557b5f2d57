# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Corrected masks as ground truth: folders for training, and a bag beside each recording."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.core.files import write_file
from mfaranet_ros.core.frame import Drivable, Result, Timings
from mfaranet_ros.curation.picks import Curation, Pick
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.data.recordings import RecordedFrame, is_bag, open_recording
from mfaranet_ros.pipeline import encode, messages

IMAGE, CAMERA_INFO, LABELS = '/camera/image_raw', '/camera/camera_info', '/ground_truth/labels'
"""The topics of the bags that are written."""


def write_training_folder(
    out: Path, curated: Path, masks: Mapping[str, NDArray[np.uint8]]
) -> None:
    """Write images/ and labels/ of the frames that have a mask; raises OutputError."""
    for stem, mask in masks.items():
        image = curated / 'images' / f'{stem}.png'
        try:
            (out / 'images').mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, out / 'images' / image.name)
        except FileNotFoundError as error:
            raise SourceError(f'{image} is gone: give the folder that curate wrote') from error
        except OSError as error:
            raise OutputError(f'cannot write {out / "images" / image.name}: {error}') from error
        data = cv2.imencode('.png', mask)[1].tobytes()
        write_file(out / 'labels' / image.name, data, parents=True)


def write_ground_truth_bags(
    out: Path, curation: Curation, masks: Mapping[str, NDArray[np.uint8]]
) -> list[Path]:
    """Write a bag for each bag with masks: the labelled frames, calibration and ground truth.

    The recordings are read again and stay as they are; videos and folders have no stamps to keep.
    Raises OutputError and SourceError.
    """
    written: list[Path] = []
    for path in dict.fromkeys(pick.path for pick in curation.picks):
        picks = {p.number: p for p in curation.picks if p.path == path and p.stem in masks}
        if picks and is_bag(path):
            target = _free_name(out / f'{path.stem}_ground_truth', written)
            _write_bag(target, path, curation.image_topic, picks, masks)
            written.append(target)
    return written


def _free_name(target: Path, written: list[Path]) -> Path:
    """Return a path that was not written: bags in different folders may have one name."""
    names = (target, *(target.with_name(f'{target.name}_{n}') for n in range(2, len(written) + 3)))
    return next(name for name in names if name not in written)


def _write_bag(
    target: Path,
    path: Path,
    image_topic: str,
    picks: Mapping[int, Pick],
    masks: Mapping[str, NDArray[np.uint8]],
) -> None:
    left = set(picks)
    with open_recording(path, image_topic=image_topic) as frames, BagWriter(target) as writer:
        for frame in frames:
            if frame.number in left:
                left.remove(frame.number)
                _write_frame(writer, frame, masks[picks[frame.number].stem])
            if not left:
                break
    if left:
        raise SourceError(f'{path} no longer has its frame {min(left)}: give the same recording')


def _write_frame(writer: BagWriter, recorded: RecordedFrame, mask: NDArray[np.uint8]) -> None:
    frame = recorded.frame
    header = encode.header(frame.stamp_ns, frame.frame_id)
    values = [(IMAGE, encode.image(frame)), (LABELS, encode.mono8(header, mask))]
    if recorded.camera_info is not None:
        result = Result(frame, mask, None, Drivable(), Timings())
        info = encode.camera_info(recorded.camera_info, result)
        writer.write(CAMERA_INFO, messages.build(info, writer.make), frame.stamp_ns)
    for topic, value in values:
        writer.write(topic, messages.build(value, writer.make), frame.stamp_ns)
