# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One way to go through any recording: a folder of images, a video file, or a bag of ROS 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.core.files import printable
from mfaranet_ros.core.frame import Frame, MessageLike
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.data.bags.cameras import choose_camera
from mfaranet_ros.data.bags.files import METADATA, is_bag_file
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.calibration_file import read_calibration
from mfaranet_ros.data.ground_truth import read_labels
from mfaranet_ros.data.image_sources import ImageFolder, Source, Unreadable
from mfaranet_ros.data.images import IMAGE_SUFFIXES
from mfaranet_ros.data.labels import ANY_IDS, GroundTruthReader, LabelReader
from mfaranet_ros.data.pairing import Pairing
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.messages import CameraInfo


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """One image of a recording and what belongs to it.

    number: its place in the recording, from 0; images that cannot be read leave gaps.
    name: the file, `frame N` of a video, or the stamp in seconds of a bag's image.
    frame: the image; its pixels are a view of the message where the encoding allows.
    stamp_ns: when it was taken, in nanoseconds: of the header in a bag, since the start of a
    video, None for image files.
    message: the message of a bag, else None.
    camera_info: the calibration in force, a CameraInfo or anything with its attributes, or None.
    ground_truth: uint8 (H, W) class ids, 255 for none, or None where there is no label image.
    """

    number: int
    name: str
    frame: Frame
    stamp_ns: int | None = None
    message: MessageLike | None = None
    camera_info: CameraInfo | MessageLike | None = None
    ground_truth: NDArray[np.uint8] | None = None


class Recording(AbstractContextManager['Recording']):
    """An open recording; iterate it for its frames, in order, as often as wanted.

    name: what was given. rate_hz: images per second, None for a bag, whose stamps say it.
    notes: what could not be read or paired so far, one line each; complete after an iteration.
    """

    def __init__(
        self,
        name: str,
        rate_hz: float | None,
        frames: Callable[[list[str]], Iterator[RecordedFrame]],
        stack: ExitStack,
    ) -> None:
        self.name = name
        self.rate_hz = rate_hz
        self.notes: tuple[str, ...] = ()
        self._frames = frames
        self._stack = stack
        self._open = True

    def __iter__(self) -> Iterator[RecordedFrame]:
        if not self._open:
            raise SourceError(f'{self.name} is closed: open it again')
        notes: list[str] = []
        try:
            yield from self._frames(notes)
        finally:
            self.notes = tuple(notes)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its files; closing twice is no error."""
        self._open = False
        self._stack.close()


def open_recording(
    path: str | Path | Sequence[str | Path],
    *,
    ground_truth: str | Path | None = None,
    label_set: str | LabelSet | None = None,
    calibration: str | Path | None = None,
    image_topic: str = '',
    camera_info_topic: str = '',
    tolerance_ms: float = 0.0,
) -> Recording:
    """Open a folder of images, a video file, or a bag (folder, .mcap, .db3, or several files).

    What it is, its content says. Use it as `with open_recording(path) as recording: for frame in
    recording: ...`; the frames are `RecordedFrame`.

    ground_truth: the label images. Of a folder of images a folder of PNG with the same stems (by
    default `labels/` beside it), of a bag a topic, or as Path a folder of PNG named by stamp.
    label_set: the name of the label set of the ground truth, or the set itself; ids outside it
    are refused. None: ids are taken as they are.
    calibration: a YAML file with the calibration of a folder or video; a bag holds its own.
    image_topic, camera_info_topic: of a bag; empty: the only camera there is.
    tolerance_ms: of a bag, by how much stamps of image and ground truth may differ.

    Raises SourceError for what is not there or cannot be read, ConfigError for an unknown label
    set, CalibrationError for a calibration file that cannot be used.
    """
    if isinstance(label_set, str):
        label_set = get_label_set(label_set)
    read = ANY_IDS if label_set is None else GroundTruthReader(label_set)
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    first = Path(paths[0]).expanduser() if paths else None
    if first is None or len(paths) > 1 or is_bag(first):
        if calibration is not None:
            raise SourceError('calibration is given, but a bag holds its own: leave it out')
        return _open_bag(
            paths, ground_truth, read, image_topic, camera_info_topic, round(tolerance_ms * 1e6)
        )
    if image_topic or camera_info_topic:
        raise SourceError(f'{printable(first)} is no bag: leave out image_topic')
    return _open_images(first, ground_truth, read, calibration)


def is_bag(path: Path) -> bool:
    """Say whether a path looks like a bag, so that errors are those of a bag."""
    if path.is_dir():
        return (path / METADATA).is_file() or any(is_bag_file(file) for file in path.iterdir())
    return is_bag_file(path)


def _open_images(
    path: Path,
    ground_truth: str | Path | None,
    read: LabelReader,
    calibration: str | Path | None,
) -> Recording:
    source: Source
    if path.is_dir():
        source = ImageFolder(path, ground_truth, read)
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        raise SourceError(f'{printable(path)} is one image: give its folder')
    else:
        from mfaranet_ros.data.video import VideoFile  # FFmpeg is loaded for videos only

        source = VideoFile(path)
    info = source.camera_info if calibration is None else read_calibration(calibration)

    def frames(notes: list[str]) -> Iterator[RecordedFrame]:
        for item in source:
            if isinstance(item, Unreadable):
                notes.append(f'{item.name} is left out: {item.reason}')
                continue
            if item.ground_truth_problem:
                notes.append(item.ground_truth_problem)
            frame = Frame(item.pixels, item.encoding, item.stamp_ns or 0, '')
            yield RecordedFrame(
                item.number,
                item.name,
                frame,
                item.stamp_ns,
                camera_info=info,
                ground_truth=item.ground_truth,
            )

    return Recording(source.name, source.rate_hz, frames, ExitStack())


def _open_bag(
    paths: Sequence[str | Path],
    ground_truth: str | Path | None,
    read: LabelReader,
    image_topic: str,
    camera_info_topic: str,
    tolerance_ns: int,
) -> Recording:
    sources = () if ground_truth is None else (ground_truth,)
    with ExitStack() as stack:
        bag = stack.enter_context(open_bag(paths))
        besides = tuple(source for source in sources if isinstance(source, str))
        camera = choose_camera(bag, image_topic, camera_info_topic, besides=besides)
        Pairing(bag, camera, sources, tolerance_ns=tolerance_ns)  # refuses what cannot be paired
        opened = stack.pop_all()

    def frames(notes: list[str]) -> Iterator[RecordedFrame]:
        pairing = Pairing(bag, camera, sources, tolerance_ns=tolerance_ns)
        for shot in pairing:
            try:
                frame = decode(shot.image.message)
            except DecodeError as error:
                notes.append(f'{shot.name} is left out: {error}')
                continue
            labels = shot.ground_truths[0] if sources else None
            yield RecordedFrame(
                shot.number,
                shot.name,
                frame,
                shot.stamp_ns,
                shot.image.message,
                shot.camera_info,
                None if labels is None else read_labels(labels, frame.size, read),
            )
        notes += [*bag.notes, *pairing.report.notes]
        if bag.truncated:
            notes.append(bag.truncated)

    return Recording(bag.name, None, frames, opened)
