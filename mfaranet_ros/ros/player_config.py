"""The settings of the player, and what it can play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mfaranet_ros.errors import ConfigError
from mfaranet_ros.pipeline.config import setting
from mfaranet_ros.playback.sources import ImageFolder, Source, VideoFile

SOURCES: dict[str, Callable[[PlayerConfig], Source]] = {
    'images': lambda config: ImageFolder(config.images),
    'video': lambda config: VideoFile(config.video),
}
"""What can be played; a row is reached by its name as `source`, or by giving its setting."""


@dataclass(frozen=True)
class PlayerConfig:
    """The settings of the player."""

    source: str = setting(
        'auto',
        'what is played; auto: what is given of the settings of the same names',
        choices=('auto', *SOURCES),
    )
    images: str = setting(
        '', 'folder of pictures; labels/ beside it holds their truth, class ids as png'
    )
    video: str = setting('', 'video file')
    rate_hz: float = setting(
        0.0, 'pictures per second; 0: as recorded, 10 where that is unknown',
        unit='Hz', low=0.0, high=1000.0,
    )  # fmt: skip
    loop: bool = setting(False, 'begin anew when through; false: end')
    duration_s: float = setting(
        0.0, 'end after so long at the latest; 0: when through', unit='s', low=0.0, high=1e9
    )
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
        1, 'subscribers of the image to wait for before the first picture', low=0, high=1000
    )


def open_source(config: PlayerConfig) -> Source:
    """Open what is to be played; raises ConfigError or SourceError."""
    given = [name for name in SOURCES if getattr(config, name, None)]
    if config.source == 'auto' and len(given) == 1:
        return SOURCES[given[0]](config)
    if config.source == 'auto':
        what = f'{" and ".join(given)} are both given' if given else 'nothing to play is given'
        raise ConfigError(f'{what}: set one of {", ".join(SOURCES)}, or source as well')
    if hasattr(config, config.source) and not getattr(config, config.source):
        raise ConfigError(f'source = {config.source!r}, but {config.source} is empty: set it')
    return SOURCES[config.source](config)
