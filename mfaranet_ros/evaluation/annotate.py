"""Writes a recording anew, with what the node would have published of it beside its own topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from mfaranet_ros.bags.reader import Bag, BagMessage, open_bag
from mfaranet_ros.bags.writer import BagWriter
from mfaranet_ros.errors import OutputError
from mfaranet_ros.frame import Frame, MessageLike, Output, Segmentation
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.monitor import PROCESSING
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.pipeline.topics import (
    CAMERA_INFO_NAME,
    DEBUG_STAGES,
    LABEL_INFO_NAME,
    RESULT_TOPICS,
    ResultTopic,
)

WRITTEN = frozenset(
    {
        Output.MASK,
        Output.OVERLAY,
        Output.DRIVABLE_MASK,
        Output.GRID,
        Output.BOUNDARY,
        Output.POINTS,
    }
)
"""What is written of each frame: ask the pipeline for these."""

COMPRESSED = frozenset({Output.OVERLAY})
"""Pictures for people, written as jpeg below the topic's name, as image_transport does it."""

LATCHED = frozenset({Output.GRID})

PREFIXES = ('/segmentation', '/offline')
"""The node's name, and the one that is taken where the recording has the node's topics already."""


class AnnotatedBag:
    """A recording that is being written anew; use it by `with`.

    path: the folder to make; source: the recording, which is read once more, so that all of its
    messages are copied byte for byte. style: how results are shown. prefix: the first part of the
    new topics. Raises OutputError where nothing can be written, SourceError where nothing is read.
    """

    def __init__(
        self,
        path: str | Path,
        source: str | Path | Sequence[str | Path],
        style: Style,
        *,
        overwrite: bool = False,
    ) -> None:
        self._style = style
        with ExitStack() as stack:
            bag = stack.enter_context(open_bag(source))
            _check_elsewhere(Path(path), bag)
            self.prefix = _free_prefix(bag)
            self._writer = stack.enter_context(BagWriter(path, overwrite=overwrite))
            self._originals: Iterator[BagMessage] = bag.messages()
            self._stack = stack.pop_all()
        self._next = next(self._originals, None)
        self._labels_written = False

    def __enter__(self) -> AnnotatedBag:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            if error is None:
                self._copy(None)

    def write(
        self, image: BagMessage, result: Segmentation, camera_info: MessageLike | None = None
    ) -> None:
        """Write what was found in one image, logged when the image was; images come in order.

        camera_info: its calibration, which is written scaled to the mask.
        """
        time_ns = image.time_ns
        self._copy(time_ns)
        self._write_labels(result.stamp_ns, time_ns)
        for topic in RESULT_TOPICS:
            if topic.output in WRITTEN:
                self._write_result(topic, result, time_ns)
        if camera_info is not None:
            self._write(CAMERA_INFO_NAME, encode.camera_info(camera_info, result), time_ns)
        for name, elapsed_ms in _times_ms(result).items():
            self._write(f'debug/{name}_ms', encode.debug_value(elapsed_ms), time_ns)

    def _write_labels(self, stamp_ns: int, time_ns: int) -> None:
        """Write once what the mask's values mean."""
        if not self._labels_written:
            header = encode.header(stamp_ns, '')
            value = encode.label_info(self._style.label_set, self._style.remap, header)
            self._write(LABEL_INFO_NAME, value, time_ns, latched=True)
            self._labels_written = True

    def _write_result(self, topic: ResultTopic, result: Segmentation, time_ns: int) -> None:
        value = topic.encode(result, self._style)
        if value is None:
            return
        name = topic.name
        if topic.output in COMPRESSED:
            name, value = f'{name}/compressed', _compressed(value)
        self._write(name, value, time_ns, latched=topic.output in LATCHED)

    def _write(self, name: str, value: Any, time_ns: int, *, latched: bool = False) -> None:
        message = encode.build(value, self._writer.make)
        self._writer.write(f'{self.prefix}/{name}', message, time_ns, latched=latched)

    def _copy(self, until_ns: int | None) -> None:
        """Copy the messages that were logged up to a time, or all that are left."""
        while self._next is not None and (until_ns is None or self._next.time_ns <= until_ns):
            self._writer.copy(self._next)
            self._next = next(self._originals, None)


def _times_ms(result: Segmentation) -> dict[str, float]:
    """Return the times of the stages that the node would publish, and their sum."""
    stages = {name: result.stage_ms[name] for name in DEBUG_STAGES if name in result.stage_ms}
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
    stamp = value.header.stamp
    frame = Frame(
        value.data.reshape(value.height, value.width, -1),
        value.encoding,
        stamp.sec * 1_000_000_000 + stamp.nanosec,
        value.header.frame_id,
    )
    return encode.compressed_image(frame)
