# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Turns the video messages of a bag into images, each under the stamp of its own message."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mfaranet_ros.core.errors import DecodeError
from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.data.bags.reader import BagMessage
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.video_decoder import VideoDecoder, VideoPicture
from mfaranet_ros.pipeline.video_packets import VideoPacket, read_packet


@dataclass(frozen=True, eq=False)
class VideoImage(BagMessage):
    """A picture of a video as if it had been recorded as an Image.

    raw: its pixels. message raises DecodeError where the picture cannot be decoded.
    """

    picture: VideoPicture | None = None

    @property
    def message(self) -> MessageLike:
        """The picture as an Image, bgr8, whose data are a view of its pixels."""
        assert self.picture is not None
        return encode.image(self.picture.require())

    @property
    def stamp_ns(self) -> int:
        """The stamp of the message that held it, in nanoseconds."""
        assert self.picture is not None
        return self.picture.packet.stamp_ns


def decode_video(items: Iterable[BagMessage], video: Topic) -> Iterator[BagMessage]:
    """Yield the messages of a bag, those of a video topic replaced by their pictures.

    Every message with a picture is replaced by one VideoImage, in the order in which the pictures
    are shown. Messages of other topics wait while the decoder does, so that they stay between the
    pictures between which they were logged.
    """
    queue = _Queue()
    decoder = VideoDecoder()
    for item in items:
        if item.topic.name != video.name:
            queue.put(item)
        else:
            _put(item, decoder, queue)
        yield from queue.ready()
    queue.fill(decoder.end())
    yield from queue.ready(at_end=True)


def _put(item: BagMessage, decoder: VideoDecoder, queue: _Queue) -> None:
    try:
        packet = read_packet(item.message)
    except DecodeError as error:
        queue.fill(decoder.interrupt('a message after it cannot be read'))
        try:
            empty = VideoPacket('', b'', item.stamp_ns, '')
        except DecodeError:
            queue.put(item)  # not even its stamp is known
            return
        queue.reserve(item)
        queue.fill([VideoPicture(empty, problem=str(error))])
        return
    queue.reserve(item)
    queue.fill(decoder.put(packet))


class _Queue:
    """Messages in the order of the log; places of pictures are filled in the order of showing."""

    def __init__(self) -> None:
        self._items: deque[BagMessage | None] = deque()
        self._places: deque[BagMessage] = deque()
        self._pictures: deque[VideoPicture] = deque()

    def put(self, item: BagMessage) -> None:
        """Append a message of another topic."""
        self._items.append(item)

    def reserve(self, item: BagMessage) -> None:
        """Append the place of a picture; item: the video message."""
        self._items.append(None)
        self._places.append(item)

    def fill(self, pictures: Iterable[VideoPicture]) -> None:
        """Fill the first places that are empty."""
        self._pictures.extend(pictures)

    def ready(self, *, at_end: bool = False) -> Iterator[BagMessage]:
        """Take the messages in front of the first place that is empty; at the end, all."""
        while self._items:
            item = self._items[0]
            if item is None and not self._pictures and not at_end:
                return
            self._items.popleft()
            if item is not None:
                yield item
            elif self._pictures:
                yield _image(self._places.popleft(), self._pictures.popleft())


def _image(place: BagMessage, picture: VideoPicture) -> VideoImage:
    raw = b'' if picture.frame is None else picture.frame.pixels.reshape(-1).data
    return VideoImage(place.topic, place.time_ns, raw, place.types, picture)
