"""Every setting of the pipeline, defined once.

A field made by `setting` is the ROS parameter, the flag of the tools, the line in
config/segmentation.yaml and the row in the README; tests hold them equal. Values are checked when
a config is made, so whoever holds a config holds a valid one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mfaranet_ros.errors import ConfigError, UnknownNameError

Value = bool | int | float | str | tuple[int, ...] | tuple[str, ...]
ConfigT = TypeVar('ConfigT')


@dataclass(frozen=True)
class Rule:
    """What a setting means and which values it takes."""

    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    items: type = int
    """Of a list: what it holds. A list of integers has one or more, one of texts may be empty."""
    live: bool = False
    """Whether it may change while the node runs; the others are read when it is configured."""


@dataclass(frozen=True)
class Setting:
    """One setting of a config class under its full, dotted name."""

    name: str
    default: Value
    rule: Rule

    @property
    def type_name(self) -> str:
        """bool, int, float, str, int[] or str[]."""
        if isinstance(self.default, tuple):
            return f'{self.rule.items.__name__}[]'
        return type(self.default).__name__

    @property
    def allowed(self) -> str:
        """The allowed values in words, such as `0.0 to 1.0` or `auto, cpu`."""
        if self.rule.choices:
            return ', '.join(choice or repr(choice) for choice in self.rule.choices)
        low, high = self.rule.low, self.rule.high
        if low is None and high is None:
            return f'any {self.type_name}'
        if high is None:
            return f'{low:g} or more'
        return f'{low:g} to {high:g}' if low is not None else f'up to {high:g}'

    def check(self, value: Any) -> Value:
        """Return the value in the setting's type, or raise ConfigError.

        An int is taken for a float, a list for a tuple; nothing else is converted.
        """
        given = f'{self.name} = {value!r}'
        if isinstance(self.default, tuple):
            return self._check_list(value, given)
        if isinstance(self.default, float) and isinstance(value, int):
            value = float(value) if not isinstance(value, bool) else value
        if type(value) is not type(self.default):
            raise ConfigError(f'{given}: must be {self.type_name} ({self.allowed})')
        if self.rule.choices and value not in self.rule.choices:
            raise ConfigError(f'{given}: allowed are {self.allowed}')
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._check_range(value, given)
        return value

    def _check_range(self, value: float, given: str) -> None:
        low, high = self.rule.low, self.rule.high
        inside = (low is None or value >= low) and (high is None or value <= high)
        if not inside or value != value or value in (float('inf'), float('-inf')):
            raise ConfigError(f'{given}: must be {self.allowed} {self.rule.unit}'.rstrip())

    def _check_list(self, value: Any, given: str) -> tuple[int, ...] | tuple[str, ...]:
        items = () if isinstance(value, str | bytes) or not isinstance(value, Iterable) else value
        items = tuple(items)
        if self.rule.items is str:
            if isinstance(value, str | bytes) or any(not isinstance(item, str) for item in items):
                raise ConfigError(f"{given}: must be a list of texts, as in ['1,2', '2']")
            return items
        if not items or any(isinstance(i, bool) or not isinstance(i, int) for i in items):
            raise ConfigError(f'{given}: must be a list of one or more integers ({self.allowed})')
        for item in items:
            self._check_range(item, given)
        if len(set(items)) != len(items):
            raise ConfigError(f'{given}: each entry may stand there once')
        return items


def setting(
    default: Any,
    description: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    items: type = int,
    live: bool = False,
) -> Any:
    """Declare one field of a config class."""
    rule = Rule(description, unit, low, high, choices, items, live)
    return field(default=default, metadata={'rule': rule})


@dataclass(frozen=True)
class ModelConfig:
    """Which network runs."""

    name: str = setting('mfaranet_resnet18', 'network, one of `mfaranet models`')
    weights: str = setting(
        '',
        'weights file (.safetensors, a published .pth or an exported .onnx); empty: the one '
        'shipped for the model',
    )
    labels: str = setting(
        '', 'label set of a weights file that does not state its own (published .pth): cityscapes'
    )
    scales: tuple[int, ...] = setting(
        (1, 2, 3, 4),
        'kept scales, 1 (stride 4) to 4 (stride 32); fewer are faster, one is the pruned network',
        low=1,
        high=4,
        live=True,
    )


@dataclass(frozen=True)
class RuntimeConfig:
    """What runs it."""

    backend: str = setting(
        'auto', 'runtime: auto, torch, compiled, onnx; mock draws bands and is for tests'
    )
    device: str = setting('auto', 'auto (cuda where there is one, else cpu), cpu, cuda, cuda:N')
    precision: str = setting(
        'auto',
        'auto: float16 on cuda; on a cpu bfloat16 where it has instructions for it, else float32',
        choices=('auto', 'float32', 'float16', 'bfloat16'),
    )
    threads: int = setting(0, 'CPU threads of the network; 0: as torch chooses', low=0, high=256)


@dataclass(frozen=True)
class InputConfig:
    """What the network is given."""

    height: int = setting(
        0, 'network input height; 0: the camera height', unit='px', low=0, high=8192
    )
    width: int = setting(
        0, 'network input width; 0: the camera width', unit='px', low=0, high=8192
    )


@dataclass(frozen=True)
class OutputConfig:
    """What the masks look like."""

    resolution: str = setting(
        'camera',
        'size of the masks: camera, or network (its input)',
        choices=('camera', 'network'),
    )
    palette: str = setting(
        'classes',
        'colours of overlay and colour mask: of the classes, or of their roles on the road',
        choices=('classes', 'roles'),
        live=True,
    )
    overlay_alpha: float = setting(
        0.5, 'share of the colour in the overlay', low=0.0, high=1.0, live=True
    )
    class_remap: str = setting(
        '', 'other mask values for consumers that need them, as `Road=7, Car=26`; 255 is unlabeled'
    )


@dataclass(frozen=True)
class DrivableConfig:
    """How the drivable area is told from the rest."""

    min_confidence: float = setting(
        0.5,
        'pixels below it are unsure: 127 in the drivable mask, never free in the grid',
        low=0.0,
        high=1.0,
        live=True,
    )
    boundary_bearings: int = setting(
        180, 'vertices of the boundary over the field of view', low=3, high=3600, live=True
    )


@dataclass(frozen=True)
class GroundConfig:
    """Where the camera is mounted, and which ground the grid covers (base frame, REP-103)."""

    base_frame: str = setting('base_link', 'frame of the metric outputs, on the ground')
    extrinsics: str = setting(
        'auto',
        'mounting pose from tf or from the parameters below; auto: tf where tf2_ros is installed',
        choices=('auto', 'tf', 'parameters'),
    )
    x: float = setting(
        0.0, 'camera ahead of the base frame', unit='m', low=-100.0, high=100.0, live=True
    )
    y: float = setting(
        0.0, 'camera left of the base frame', unit='m', low=-100.0, high=100.0, live=True
    )
    z: float = setting(1.5, 'camera above the ground', unit='m', low=-100.0, high=100.0, live=True)
    roll: float = setting(
        0.0, 'camera body rolled about x, to the right', unit='rad', low=-6.3, high=6.3, live=True
    )
    pitch: float = setting(
        0.0, 'camera body pitched about y, positive is down', unit='rad', low=-6.3, high=6.3,
        live=True,
    )  # fmt: skip
    yaw: float = setting(
        0.0, 'camera body turned about z, positive is left', unit='rad', low=-6.3, high=6.3,
        live=True,
    )  # fmt: skip
    x_min: float = setting(0.0, 'rear edge of the grid', unit='m', low=-1000.0, high=1000.0)
    x_max: float = setting(40.0, 'front edge of the grid', unit='m', low=-1000.0, high=1000.0)
    y_min: float = setting(-10.0, 'right edge of the grid', unit='m', low=-1000.0, high=1000.0)
    y_max: float = setting(10.0, 'left edge of the grid', unit='m', low=-1000.0, high=1000.0)
    resolution: float = setting(0.1, 'edge of a grid cell', unit='m', low=0.01, high=10.0)


@dataclass(frozen=True)
class LatencyConfig:
    """When a frame is too slow or too old, and what is done to be faster."""

    budget_ms: float = setting(
        100.0, 'processing time a frame may take before diagnostics warns',
        unit='ms', low=0.1, high=1e6, live=True,
    )  # fmt: skip
    adapt: bool = setting(
        False, 'keep the budget by walking latency.ladder; false: model.scales and input.* stay',
        live=True,
    )  # fmt: skip
    ladder: tuple[str, ...] = setting(
        ('1,2,3,4', '2'),
        'rungs from the most costly to the cheapest, each [MODEL:]SCALES[@HEIGHTxWIDTH]',
        items=str,
        live=True,
    )
    adapt_period_s: float = setting(
        1.0, 'least time between two changes of the rung', unit='s', low=0.1, high=3600.0,
        live=True,
    )  # fmt: skip
    max_consecutive_delay_ms: float = setting(
        1000.0, 'how long frames may stay over the budget before diagnostics reports an error',
        unit='ms', low=0.0, high=1e6, live=True,
    )  # fmt: skip
    max_age_ms: float = setting(
        1000.0, 'a frame older than this is dropped and counted; 0: never',
        unit='ms', low=0.0, high=1e9, live=True,
    )  # fmt: skip


@dataclass(frozen=True)
class DiagnosticsConfig:
    """What the camera is expected to do."""

    window: int = setting(200, 'frames over which the percentiles are taken', low=2, high=100_000)
    expected_rate_hz: float = setting(
        10.0, 'frames per second the camera delivers', unit='Hz', low=0.01, high=1000.0, live=True
    )
    rate_tolerance: float = setting(
        0.3, 'share by which the rate may miss the expected one', low=0.0, high=1.0, live=True
    )
    input_timeout_ms: float = setting(
        1000.0, 'after so long without an image the input is an error and the grid is cleared',
        unit='ms', low=10.0, high=1e6, live=True,
    )  # fmt: skip
    frozen_frames: int = setting(
        5, 'so many equal frames in a row are reported as a frozen camera',
        low=2, high=10_000, live=True,
    )  # fmt: skip
    dark_level: float = setting(
        4.0, 'a frame whose mean brightness is below it is reported as black',
        low=0.0, high=255.0, live=True,
    )  # fmt: skip
    saturated_share: float = setting(
        0.8, 'a frame with more than this share of its pixels at 250 or more is reported as '
        'saturated', low=0.0, high=1.0, live=True,
    )  # fmt: skip


@dataclass(frozen=True)
class PipelineConfig:
    """All settings of one pipeline, in their groups."""

    model: ModelConfig = field(default_factory=ModelConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    input: InputConfig = field(default_factory=InputConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    drivable: DrivableConfig = field(default_factory=DrivableConfig)
    ground: GroundConfig = field(default_factory=GroundConfig)
    latency: LatencyConfig = field(default_factory=LatencyConfig)
    diagnostics: DiagnosticsConfig = field(default_factory=DiagnosticsConfig)


def settings_of(config: Any) -> tuple[Setting, ...]:
    """Return the settings of a config class (or of one of its objects), in order."""
    return tuple(_settings(config if isinstance(config, type) else type(config), ''))


def _settings(config_class: Any, prefix: str) -> Iterator[Setting]:
    for entry in dataclasses.fields(config_class):
        if 'rule' in entry.metadata:
            default: Any = entry.default
            yield Setting(prefix + entry.name, default, entry.metadata['rule'])
        else:
            yield from _settings(entry.default_factory, f'{prefix}{entry.name}.')


def value_of(config: Any, name: str) -> Value:
    """Return the value of one setting by its dotted name."""
    value = config
    for part in name.split('.'):
        value = getattr(value, part)
    return value  # type: ignore[no-any-return]


def replace(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """Return the config with some settings changed, each checked.

    Raises ConfigError for a value out of range and UnknownNameError for a name that is none.
    """
    known = {setting.name: setting for setting in settings_of(config)}
    result = config
    for name, value in values.items():
        if name not in known:
            raise UnknownNameError('setting', name, known)
        result = _replace_one(result, name.split('.'), known[name].check(value))
    return result


def _replace_one(config: ConfigT, path: list[str], value: Value) -> ConfigT:
    inner = value if len(path) == 1 else _replace_one(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: inner})  # type: ignore[type-var]
