# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Iterates over the images of a bag, each with its calibration and its ground truth.

Ground truth is paired by exact stamp or, with a tolerance, by the nearest stamp; each label image
is used once. Everything is read once and in order, so an image waits for ground truth that was
logged after it: up to WAIT_NS of the log, and less where that would take more than HOLD_BYTES.
Ground truth from a separate recording, logged at another time, is moved to the time of the images.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.data.bags.cameras import Camera
from mfaranet_ros.data.bags.reader import IMAGES, Bag, BagMessage
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.ground_truth import GroundTruth, GroundTruthSource, PairingReport
from mfaranet_ros.data.read_ahead import read_ahead
from mfaranet_ros.data.stamps import NOTHING, StampWatch, range_text, stamp_text
from mfaranet_ros.pipeline.video_packets import is_video, read_packet

WAIT_NS = 2_000_000_000
"""How much later than its image ground truth may have been logged, and how much earlier."""

NEAR_NS = WAIT_NS // 2
"""Ground truth logged further from its images is taken to be from a separate recording."""

HOLD_BYTES = 256 * 2**20
"""How much of the recording is held at most while waiting."""

HEADER_BYTES = 12
"""The encapsulation and the stamp, by which equal calibrations differ."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One image of a recording and what belongs to it.

    number: its place among the images in the order of the log, from 0.
    camera_info: the calibration that was logged last before it, of the first images the first one;
    the same object as long as only its stamp changes. ground truth: one for each source of ground
    truth.
    """

    number: int
    image: BagMessage
    stamp_ns: int
    camera_info: MessageLike | None
    ground_truths: tuple[GroundTruth | None, ...] = ()

    @property
    def name(self) -> str:
        """Its stamp in seconds."""
        return stamp_text(self.stamp_ns)


@dataclass(eq=False)
class _Waiting:
    """An image that is not given out yet; ground truth: what was found for each source."""

    number: int
    image: BagMessage
    logged_ns: int
    stamp_ns: int
    camera_info: MessageLike | None
    ground_truths: list[GroundTruth | None]

    def shot(self) -> Shot:
        return Shot(
            self.number, self.image, self.stamp_ns, self.camera_info, tuple(self.ground_truths)
        )


class Pairing:
    """The images of one camera of a bag; iterate it once.

    ground_truth: where ground truth is: topics by name, folders of png files as Path.
    Raises SourceError where a source is not there or empty, and, as early as it is known, where
    no stamp of it belongs to an image.
    """

    def __init__(
        self,
        bag: Bag,
        camera: Camera,
        ground_truth: Sequence[str | Path] = (),
        *,
        tolerance_ns: int = 0,
    ) -> None:
        self._bag = bag
        self._camera = camera
        self._tolerance_ns = tolerance_ns
        self._sources = [GroundTruthSource.open(bag, source) for source in ground_truth]
        self._by_topic = {source.topic: source for source in self._sources if source.topic}
        self._watch = StampWatch()
        self._unreadable = NOTHING
        self._images = 0
        self._waiting: deque[_Waiting] = deque()
        self._held_bytes = 0
        self._info: MessageLike | None = None
        self._info_bytes = b''
        self._is_video = holds_video(bag, camera.image)
        first_info = bag.first(camera.info.name) if camera.info else None
        if first_info is not None:
            self._receive_info(first_info)
        for source in self._sources:
            self._check_overlap(source)

    @property
    def report(self) -> PairingReport:
        """What was found so far; complete when the last image was given out."""
        return PairingReport(
            self._images,
            self._unreadable,
            self._watch.repeated,
            self._watch.backward,
            tuple(source.report() for source in self._sources),
        )

    def __iter__(self) -> Iterator[Shot]:
        with closing(read_ahead(self._logged())) as items:
            for logged_ns, item in items:
                self._receive(item, logged_ns)
                yield from self._give_out(logged_ns)
        yield from self._give_out(None)
        for source in self._sources:
            for ground_truth in source.pending:
                source.ground_truths_without = source.ground_truths_without.plus(ground_truth.name)
            if not source.paired:
                raise self._no_overlap(source, self._watch.range_ns, source.watch.range_ns)

    # -- what comes in ----------------------------------------------------------------------

    def _logged(self) -> Iterator[tuple[int, BagMessage]]:
        """Yield all messages, and when they were logged by the clock that logged the images."""
        together = [self._camera.image.name]
        if self._camera.info is not None:
            together.append(self._camera.info.name)
        shifts = {topic: self._shift_ns(topic) for topic in self._by_topic}
        together += [topic for topic, shift_ns in shifts.items() if abs(shift_ns) <= NEAR_NS]
        messages = self._bag.messages(together)
        if self._is_video:
            # Here, because FFmpeg is loaded for videos only.
            from mfaranet_ros.data.bags.video import decode_video

            messages = decode_video(messages, self._camera.image)
        streams = [_shifted(messages, 0)]
        for topic, shift_ns in shifts.items():
            if topic not in together:
                streams.append(_shifted(self._bag.messages([topic]), shift_ns))
        return heapq.merge(*streams, key=itemgetter(0))

    def _shift_ns(self, topic: str) -> int:
        """Return how much later than the images a topic was logged, by their first messages."""
        delays_ns = []
        for name in (self._camera.image.name, topic):
            first = self._bag.first(name)
            try:
                delays_ns.append(first.time_ns - first.stamp_ns if first else 0)
            except (DecodeError, AttributeError):
                return 0
        return delays_ns[1] - delays_ns[0]

    def _receive(self, item: BagMessage, logged_ns: int) -> None:
        source = self._by_topic.get(item.topic.name)
        if source is not None:
            self._receive_ground_truth(item, logged_ns, source)
        elif item.topic.name == self._camera.image.name:
            self._receive_image(item, logged_ns)
        else:
            self._receive_info(item)

    def _receive_info(self, item: BagMessage) -> None:
        content = bytes(item.raw[HEADER_BYTES:])
        if content != self._info_bytes:
            with suppress(DecodeError):
                self._info, self._info_bytes = item.message, content

    def _receive_image(self, item: BagMessage, logged_ns: int) -> None:
        number = self._images
        self._images += 1
        try:
            stamp_ns = item.stamp_ns
        except DecodeError:
            self._unreadable = self._unreadable.plus(f'image {number}')
            return
        self._watch.add(stamp_ns)
        ground_truths = [source.pending.take(stamp_ns) for source in self._sources]
        self._waiting.append(
            _Waiting(number, item, logged_ns, stamp_ns, self._info, ground_truths)
        )
        self._held_bytes += len(item.raw)

    def _receive_ground_truth(
        self, item: BagMessage, logged_ns: int, source: GroundTruthSource
    ) -> None:
        source.ground_truths += 1
        try:
            ground_truth = GroundTruth.of(item, logged_ns)
        except (DecodeError, AttributeError):
            source.unreadable = source.unreadable.plus(f'message {source.ground_truths - 1}')
            return
        source.watch.add(ground_truth.stamp_ns)
        place = self._sources.index(source)
        for waiting in self._waiting:
            if waiting.stamp_ns == ground_truth.stamp_ns and waiting.ground_truths[place] is None:
                waiting.ground_truths[place] = ground_truth
                return
        source.pending.put(ground_truth)

    # -- what goes out ----------------------------------------------------------------------

    def _give_out(self, now_ns: int | None) -> Iterator[Shot]:
        """Give out the images that need not wait any longer; now_ns None: all."""
        while self._waiting and self._may_go(self._waiting[0], now_ns):
            first = self._waiting[0]
            for place, source in enumerate(self._sources):
                self._settle(first, place, source)
            self._waiting.popleft()
            self._held_bytes -= len(first.image.raw)
            yield first.shot()
        if now_ns is not None:
            for source in self._sources:
                source.clear(now_ns - 2 * WAIT_NS, HOLD_BYTES)

    def _may_go(self, waiting: _Waiting, now_ns: int | None) -> bool:
        if now_ns is None or self._held_bytes > HOLD_BYTES:
            return True
        if now_ns - waiting.logged_ns > WAIT_NS:
            return True
        return all(
            ground_truth is not None or not source.may_bring(waiting.stamp_ns, self._tolerance_ns)
            for ground_truth, source in zip(waiting.ground_truths, self._sources, strict=True)
        )

    def _settle(self, waiting: _Waiting, place: int, source: GroundTruthSource) -> None:
        if waiting.ground_truths[place] is None:
            waiting.ground_truths[place] = self._nearest(waiting, place, source)
        ground_truth = waiting.ground_truths[place]
        if ground_truth is None:
            source.images_without = source.images_without.plus(stamp_text(waiting.stamp_ns))
        else:
            source.pair(waiting.stamp_ns, ground_truth)

    def _nearest(
        self, waiting: _Waiting, place: int, source: GroundTruthSource
    ) -> GroundTruth | None:
        """Take the nearest ground truth to which no other image that still waits is nearer."""
        others = [other.stamp_ns for other in self._waiting if other.ground_truths[place] is None]
        for stamp_ns in source.pending.near(waiting.stamp_ns, self._tolerance_ns):
            distance = abs(stamp_ns - waiting.stamp_ns)
            if all(abs(stamp_ns - other) >= distance for other in others):
                return source.pending.take(stamp_ns)
        return None

    # -- what does not belong together --------------------------------------------------------

    def _check_overlap(self, source: GroundTruthSource) -> None:
        """Raise SourceError where the first and last stamps already say that nothing pairs."""
        images = self._bag.stamp_range(self._camera.image.name)
        ground_truth = (
            self._bag.stamp_range(source.topic) if source.topic else source.watch.range_ns
        )
        if images is None or ground_truth is None:
            return
        apart_ns = max(images[0] - ground_truth[1], ground_truth[0] - images[1])
        if apart_ns > self._tolerance_ns:
            raise self._no_overlap(source, images, ground_truth)

    def _no_overlap(
        self,
        source: GroundTruthSource,
        images: tuple[int, int] | None,
        ground_truth: tuple[int, int] | None,
    ) -> SourceError:
        return SourceError(
            f'no ground truth of {source.name} belongs to an image of {self._camera.image.name}: '
            f'the images are from {range_text(images)}, the ground truth from '
            f'{range_text(ground_truth)}; give the ground truth of this recording, or a tolerance '
            'if the stamps differ a little'
        )


def holds_video(bag: Bag, image: Topic) -> bool:
    """Say whether the messages of a topic are the pictures of a video stream.

    Raises SourceError for a codec that is not decoded here.
    """
    first = bag.first(image.name)
    try:
        if first is None or not is_video(first.message):
            return False
        read_packet(first.message)
    except DecodeError as error:
        if error.reason != 'encoding':
            # One broken message, which is reported where it is decoded.
            return image.type not in IMAGES
        raise SourceError(f'{image.name} of {bag.name}: {error}') from error
    return True


def _shifted(items: Iterable[BagMessage], shift_ns: int) -> Iterator[tuple[int, BagMessage]]:
    return ((item.time_ns - shift_ns, item) for item in items)
