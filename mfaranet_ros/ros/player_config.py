# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The settings of the player, and what it can play."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from mfaranet_ros.core.config import setting, settings_of
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.data.bags.playback import BagPlayback
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.image_sources import ImageFolder, Source
from mfaranet_ros.data.synthetic_source import SceneSource
from mfaranet_ros.data.video import VideoFile

SOURCES: dict[str, Callable[[PlayerConfig], Source | BagPlayback]] = {
    'images': lambda config: ImageFolder(config.images),
    'video': lambda config: VideoFile(config.video),
    'bag': lambda config: open_recording(config),
    'scene': lambda config: SceneSource(config.seed, config.scene_options, config.scene_camera),
}
"""What can be played, by the value of `source` or by the setting of the same name."""

OF_IMAGES = ('rate_hz', 'transport', 'frame_id', 'calibration', 'hfov_deg')
OF_BAGS = (
    'image_topic', 'camera_info_topic', 'topics', 'rate', 'start_s', 'max_gap_s', 'clock_rate_hz',
    'pace', 'answer_topic', 'answer_timeout_s',
)  # fmt: skip
OF_SCENES = ('seed', 'scene_options', 'scene_camera')
FOREIGN = {
    'bag': (*OF_IMAGES, *OF_SCENES),
    'scene': (*OF_BAGS, 'calibration', 'hfov_deg'),
}
"""The settings that a kind of source does not have; the others have none of OF_BAGS, OF_SCENES."""


@dataclass(frozen=True)
class PlayerConfig:
    """The settings of the player."""

    source: str = setting(
        'auto',
        'what to play; auto: the one of images, video and bag that is set; scene: the '
        'synthetic scene',
        choices=('auto', *SOURCES),
    )
    images: str = setting(
        '', 'folder of images; labels/ beside it holds their ground truth, class ids as png'
    )
    video: str = setting('', 'video file')
    bag: str = setting('', 'recorded bag: a folder, or its .mcap or .db3 file')
    rate_hz: float = setting(
        0.0, 'images per second; 0: as recorded, 10 where that is unknown',
        unit='Hz', low=0.0, high=1000.0,
    )  # fmt: skip
    loop: bool = setting(False, 'restart at the end; false: end')
    duration_s: float = setting(
        0.0,
        'end after this long at the latest (of a bag: in its own time); 0: at the end of the '
        'source',
        unit='s', low=0.0, high=1e9,
    )  # fmt: skip
    transport: str = setting(
        'raw',
        'raw: sensor_msgs/Image on `image`; compressed: CompressedImage on `image/compressed`, '
        'jpeg and png files byte by byte',
        choices=('raw', 'compressed'),
    )
    frame_id: str = setting('camera', 'optical frame in every header')
    calibration: str = setting(
        '', 'YAML file as camera_calibration writes it; empty: a nominal pinhole camera'
    )
    hfov_deg: float = setting(
        60.0, 'horizontal field of view of the nominal camera; 0: no camera_info',
        unit='deg', low=0.0, high=170.0,
    )  # fmt: skip
    wait_for_subscribers: int = setting(
        1, 'subscribers of the image topic to wait for before playing', low=0, high=1000
    )
    seed: int = setting(0, 'of the synthetic scene: its number', low=0, high=2**31 - 1)
    scene_options: str = setting('', 'of the synthetic scene: its options, as `rain=0.5 people=2`')
    scene_camera: str = setting(
        '',
        'of the synthetic scene: calibration and mounting of its camera, as '
        '`width=960 pitch=0.05`',
    )
    image_topic: str = setting('', 'of a bag: its image topic; empty: the only one')
    camera_info_topic: str = setting(
        '', 'of a bag: its CameraInfo topic; empty: camera_info beside the image topic'
    )
    topics: str = setting(
        'camera',
        'of a bag; camera: image, calibration and transforms; all: every topic in it',
        choices=('camera', 'all'),
    )
    rate: float = setting(
        1.0, 'of a bag: playback speed relative to the recording', low=0.01, high=100.0
    )
    start_s: float = setting(
        0.0, 'of a bag: skip this much of its beginning', unit='s', low=0.0, high=1e9
    )
    max_gap_s: float = setting(
        60.0, 'of a bag: gaps in its log that are longer are cut; 0: none is cut',
        unit='s', low=0.0, high=1e9,
    )  # fmt: skip
    clock_rate_hz: float = setting(
        100.0, 'of a bag: rate of /clock', unit='Hz', low=1.0, high=1000.0
    )
    pace: str = setting(
        'time',
        'of a bag; time: at the recorded times; answer: each image when the mask of the one '
        'before has arrived',
        choices=('time', 'answer'),
    )
    answer_topic: str = setting('segmentation/mask', 'masks whose stamps show which image is done')
    answer_timeout_s: float = setting(
        10.0, 'continue without an answer after this long', unit='s', low=0.1, high=1e6
    )


_NAMED = [name for name in SOURCES if hasattr(PlayerConfig, name)]


def open_source(config: PlayerConfig) -> Source | BagPlayback:
    """Open what is to be played; raises ConfigError or SourceError."""
    kind = _kind(config)
    foreign = FOREIGN.get(kind, (*OF_BAGS, *OF_SCENES))
    for each in settings_of(config):
        if each.name in foreign and getattr(config, each.name) != each.default:
            brings = kind in FOREIGN and each.name in OF_IMAGES
            other = f'a {kind} brings its own' if brings else f'{kind} has none'
            raise ConfigError(f'{each.name} is given, but {other}: leave it out')
    return SOURCES[kind](config)


def _kind(config: PlayerConfig) -> str:
    """Return the name of the row of SOURCES that is meant."""
    given = [name for name in SOURCES if getattr(config, name, None)]
    if config.source == 'auto' and len(given) == 1:
        return given[0]
    if config.source == 'auto':
        what = f'{" and ".join(given)} are both given' if given else 'nothing to play is given'
        raise ConfigError(
            f'{what}: set one of {", ".join(_NAMED)}, or source as well; scene needs no more'
        )
    if hasattr(config, config.source) and not getattr(config, config.source):
        raise ConfigError(f'source = {config.source!r}, but {config.source} is empty: set it')
    return config.source


def open_recording(config: PlayerConfig) -> BagPlayback:
    """Open the bag and find its camera; raises SourceError."""
    if config.pace == 'answer' and config.topics == 'all':
        raise ConfigError(
            'pace = answer goes with topics = camera only: masks in the bag would be taken for '
            'answers'
        )
    with ExitStack() as stack:
        bag = stack.enter_context(open_bag(config.bag))
        recording = BagPlayback(
            bag,
            image_topic=config.image_topic,
            camera_info_topic=config.camera_info_topic,
            everything=config.topics == 'all',
            start_s=config.start_s,
        )
        stack.pop_all()  # it stays open with what is played of it
    return recording
