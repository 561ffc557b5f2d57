# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Copies a recording and adds the topics that the node would have published."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mfaranet_ros.core.errors import DecodeError, OutputError, SourceError
from mfaranet_ros.core.frame import Frame, Output, Result, stamp_of
from mfaranet_ros.data.bags.cameras import choose_camera, first_calibration
from mfaranet_ros.data.bags.reader import Bag, BagMessage, open_bag
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.evaluation.runs.score import Outcome
from mfaranet_ros.monitoring.monitor import PROCESSING
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.messages import build
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style, parse_remap
from mfaranet_ros.pipeline.topics import STAGES, InBag, OutputTopic, When, stage_of, topics_of

PREFIXES = ('/segmentation', '/offline')
"""The node's name, and the one that is taken where the recording has the node's topics already."""


def outputs_in_bag() -> frozenset[Output]:
    """Return what the pipeline must compute for the topics that are written into a bag."""
    return frozenset().union(*(topic.needs for topic in _topics_in_bag()))


def _topics_in_bag() -> list[OutputTopic]:
    return [topic for topic in topics_of(When.RESULT) if topic.in_bag is not InBag.NOT]


class AnnotatedBag:
    """A copy of a recording with results, while it is written; use it by `with`.

    path: the folder to make; source: the recording, which is read here once more, so that all of
    its messages are copied byte for byte. image_topic: that of the frames; besides: image topics
    that are no camera's. style: how results are shown.
    Raises OutputError where nothing can be written, SourceError where nothing is read.
    """

    def __init__(
        self,
        path: str | Path,
        source: str | Path | Sequence[str | Path],
        style: Style,
        *,
        image_topic: str = '',
        besides: tuple[str, ...] = (),
        overwrite: bool = False,
    ) -> None:
        self._style = style
        with ExitStack() as stack:
            bag = stack.enter_context(open_bag(source))
            self._camera = choose_camera(bag, image_topic, besides=besides)
            _check_elsewhere(Path(path), bag)
            self.prefix = _free_prefix(bag)
            self._info = first_calibration(bag, self._camera)
            self._writer = stack.enter_context(BagWriter(path, overwrite=overwrite))
            self._originals: Iterator[BagMessage] = bag.messages()
            self._stack = stack.pop_all()
        self._images = 0
        self._labels_written = False

    def __enter__(self) -> AnnotatedBag:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._copy(None)

    def write(self, number: int, result: Result, stage_ms: Mapping[str, float]) -> None:
        """Write what was found in one image, logged when the image was.

        number: its place among the images of its topic in the order of the log; they come in
        order, but not all of them need to. stage_ms: the time of each stage.
        """
        image = self._copy(number)
        if image is None:
            raise SourceError(f'the recording has no image {number} of {self._camera.image.name}')
        time_ns = image.time_ns
        self._write_labels(result.stamp_ns, time_ns)
        for topic in _topics_in_bag():
            self._write(topic, topic.encode(result, self._style), time_ns)
        if self._info is not None:
            for topic in topics_of(When.CALIBRATED):
                self._write(topic, topic.encode(self._info, result), time_ns)
        times_ms = _times_ms(stage_ms)
        for topic in topics_of(When.TIMED):
            if (elapsed_ms := times_ms.get(stage_of(topic))) is not None:
                self._write(topic, topic.encode(elapsed_ms), time_ns)

    def _write_labels(self, stamp_ns: int, time_ns: int) -> None:
        """Write once what the mask's values mean."""
        if not self._labels_written:
            header = encode.header(stamp_ns, '')
            for topic in topics_of(When.ACTIVATED):
                value = topic.encode(self._style.label_set, self._style.remap, header)
                self._write(topic, value, time_ns)
            self._labels_written = True

    def _write(self, topic: OutputTopic, value: Any, time_ns: int) -> None:
        """Write a value of messages.py, unless there is none."""
        if value is None:
            return
        name = topic.name
        if topic.in_bag is InBag.JPEG:
            name, value = f'{name}/compressed', _compressed(value)
        message = build(value, self._writer.make)
        self._writer.write(f'{self.prefix}/{name}', message, time_ns, latched=topic.qos.latched)

    def _copy(self, number: int | None) -> BagMessage | None:
        """Copy messages up to the image of this number, and return it; None: all that are left."""
        for item in self._originals:
            self._writer.copy(item)
            if self._camera.info and item.topic.name == self._camera.info.name:
                with suppress(DecodeError):
                    self._info = item.message
            elif item.topic.name == self._camera.image.name:
                self._images += 1
                if self._images - 1 == number:
                    return item
        return None


def _times_ms(stage_ms: Mapping[str, float]) -> dict[str, float]:
    """Return the times of the stages that the node would publish, and their sum."""
    stages = {name: stage_ms[name] for name in STAGES if name in stage_ms}
    return {PROCESSING: sum(stages.values()), **stages}


def _check_elsewhere(path: Path, bag: Bag) -> None:
    """Raise OutputError where writing would replace what is read."""
    target = path.expanduser().resolve()
    if any(file.resolve().is_relative_to(target) for file in bag.files):
        raise OutputError(f'{path} holds the recording itself: give another name')


def _free_prefix(bag: Bag) -> str:
    for prefix in PREFIXES:
        if not any(name.startswith(f'{prefix}/') for name in bag.topics):
            return prefix
    taken = ' and '.join(PREFIXES)
    raise OutputError(
        f'{bag.name} has topics below {taken} already: give the recording they were made from'
    )


def _compressed(value: Any) -> Any:
    frame = Frame(
        value.data.reshape(value.height, value.width, -1),
        value.encoding,
        stamp_of(value),
        value.header.frame_id,
    )
    return encode.compressed_image(frame)


@dataclass(frozen=True)
class MakeAnnotatedBag:
    """Makes the annotated bag of each of several recordings; it travels to other processes.

    path: the folder to make; of several recordings it holds one each, by its name.
    sources: the files or folders of each recording, by its name.
    """

    path: Path
    sources: Mapping[str, tuple[Path, ...]]
    image_topic: str = ''
    besides: tuple[str, ...] = ()
    overwrite: bool = False

    def __call__(self, name: str, pipeline: FrameProcessor) -> AnnotatedBagSink:
        """Return the sink of one source."""
        config = pipeline.config
        remap = parse_remap(config.output.class_remap, pipeline.label_set)
        style = Style(
            pipeline.label_set, remap, config.output.palette, config.output.overlay_alpha,
            config.ground.base_frame,
        )  # fmt: skip
        path = self.path if len(self.sources) == 1 else self.path / Path(name).name
        return AnnotatedBagSink(
            AnnotatedBag(
                path, self.sources[name], style, image_topic=self.image_topic,
                besides=self.besides, overwrite=self.overwrite,
            )
        )  # fmt: skip


class AnnotatedBagSink:
    """Writes the outcome of every frame of a recording."""

    def __init__(self, bag: AnnotatedBag) -> None:
        self._bag = bag

    def take(self, outcome: Outcome) -> None:
        """Write one frame; raises OutputError."""
        self._bag.write(outcome.record.number, outcome.result, dict(outcome.record.times.items()))

    def close(self) -> None:
        """Copy what is left, unless the evaluation ended early, and finish the file."""
        self._bag.__exit__(*sys.exc_info())
