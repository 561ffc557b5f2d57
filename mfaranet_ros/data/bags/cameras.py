# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The cameras of a recording: which topics belong together, calibration and mounting."""

from __future__ import annotations

from dataclasses import dataclass

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.data.bags.reader import (
    CAMERA_IMAGES,
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    COMPRESSED_VIDEO,
    FFMPEG_PACKET,
    IMAGE,
    Bag,
)
from mfaranet_ros.data.bags.storage import Topic

TRANSPORTS = {
    COMPRESSED_IMAGE: 'compressed',
    FFMPEG_PACKET: 'ffmpeg',
    COMPRESSED_VIDEO: 'foxglove',
}
"""The transport of each type, which is also what it adds to the name of the raw topic."""


@dataclass(frozen=True)
class Camera:
    """The images of a camera: raw, compressed or video, and its calibration where there is one."""

    image: Topic
    info: Topic | None

    @property
    def compressed(self) -> bool:
        """Whether the images are CompressedImage."""
        return self.image.type == COMPRESSED_IMAGE

    @property
    def transport(self) -> str:
        """What image_transport calls the type of the images: raw, compressed, ffmpeg, foxglove."""
        return TRANSPORTS.get(self.image.type, 'raw')


def list_cameras(bag: Bag) -> list[Camera]:
    """Return the image topics that have messages, by name, each with its camera_info.

    As everywhere in ROS, the calibration of `/front/image_raw` is on `/front/camera_info`, and so
    is that of `/front/image_raw/compressed`, `/front/image_raw/ffmpeg` and the like.
    """
    images = [
        topic for topic in bag.topics.values() if topic.type in CAMERA_IMAGES and topic.count
    ]
    return [_camera(bag, topic) for topic in sorted(images, key=lambda topic: topic.name)]


def choose_camera(
    bag: Bag, image_topic: str = '', info_topic: str = '', *, besides: tuple[str, ...] = ()
) -> Camera:
    """Return the camera of an image topic; without a name, that of the only one there is.

    info_topic: where its calibration is, if not beside it. besides: image topics that are no
    camera's, such as labels. Of several, the only one with a calibration is taken, and of a raw
    and a compressed topic of one camera the raw one. Raises SourceError where several are left.
    """
    if image_topic:
        camera = _camera(bag, bag.topic(image_topic, *CAMERA_IMAGES))
    else:
        camera = _only_camera(bag, besides)
        bag.topic(camera.image.name)
    if info_topic:
        return Camera(camera.image, bag.topic(info_topic, CAMERA_INFO))
    return camera


def first_calibration(bag: Bag, camera: Camera) -> MessageLike | None:
    """Return the first CameraInfo of a camera."""
    if camera.info is None:
        return None
    first = bag.first(camera.info.name)
    return None if first is None else first.message


def _only_camera(bag: Bag, besides: tuple[str, ...]) -> Camera:
    found = [camera for camera in list_cameras(bag) if camera.image.name not in besides]
    calibrated = [camera for camera in found if camera.info]
    left = _without_doubles(calibrated or found)
    if len(left) == 1:
        return left[0]
    if not left:
        raise SourceError(f'{bag.name} has no images; it has {bag.listing()}')
    names = ', '.join(camera.image.name for camera in left)
    raise SourceError(f'{bag.name} has several image topics, {names}: name one of them')


def _without_doubles(cameras: list[Camera]) -> list[Camera]:
    """Leave out compressed topics and video whose raw topic is there too."""
    raw = {camera.image.name for camera in cameras if camera.image.type == IMAGE}
    return [
        camera
        for camera in cameras
        if camera.image.type == IMAGE or _base(camera.image) not in raw
    ]


def _camera(bag: Bag, image: Topic) -> Camera:
    info = bag.topics.get(_base(image).rpartition('/')[0] + '/camera_info')
    usable = info is not None and info.type == CAMERA_INFO and info.count
    return Camera(image, info if usable else None)


def _base(image: Topic) -> str:
    """Return the name of the raw topic that a compressed one stands for."""
    base, _, last = image.name.rpartition('/')
    return base if image.type != IMAGE and last in TRANSPORTS.values() else image.name
