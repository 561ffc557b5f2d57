"""The ladder: which scales, input sizes and networks may take turns to keep the latency budget.

A rung is written as `[MODEL:]SCALES[@HEIGHTxWIDTH]`: `1,2,3,4@512x1024`, `2`, `2@360x480`,
`mfaranet_resnet18:2@360x480`, or `MODEL[@HEIGHTxWIDTH]` for a whole other network. What it leaves
out is as the config has it. Rungs stand from the most costly to the cheapest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mfaranet_ros.errors import ConfigError
from mfaranet_ros.models import ALL_SCALES, check_scales, get_model_entry, list_models
from mfaranet_ros.pipeline.config import PipelineConfig, replace

FORM = '[MODEL:]SCALES[@HEIGHTxWIDTH], as in 1,2,3,4@512x1024, 2 or mfaranet_resnet18:2@360x480'

ORDER_TOLERANCE = 1.1
"""A rung may be measured so many times as slow as the one before it: no two runs are equal."""

_RUNG = re.compile(
    r'(?:(?P<model>[A-Za-z]\w*)(?::(?=\d)|(?=@|$)))?'
    r'(?P<scales>\d+(?:,\d+)*)?'
    r'(?:@(?P<height>\d+)x(?P<width>\d+))?'
)


@dataclass(frozen=True)
class Rung:
    """One way to run the network.

    scales: the kept ones, ascending; None: all that the network has.
    size: height and width of the network input in px, a 0 as in input.height and input.width;
        None: those of the config.
    model: name of the network; empty: that of the config.
    """

    scales: tuple[int, ...] | None
    size: tuple[int, int] | None = None
    model: str = ''

    @classmethod
    def of(cls, config: PipelineConfig) -> Rung:
        """Return the rung that a config is by itself."""
        size = config.input.height, config.input.width
        return cls(tuple(sorted(config.model.scales)), size if any(size) else None)

    def __str__(self) -> str:
        scales = ','.join(map(str, self.scales or ()))
        size = f'@{self.size[0]}x{self.size[1]}' if self.size else ''
        return ':'.join(filter(None, (self.model, scales))) + size

    def applied_to(self, config: PipelineConfig) -> PipelineConfig:
        """Return the config with what the rung says.

        The weights file of the config is that of its own network: another one takes the weights
        that are shipped for it. Raises ConfigError for sizes out of range.
        """
        values: dict[str, object] = {'model.scales': self.scales or ALL_SCALES}
        if self.size:
            values |= {'input.height': self.size[0], 'input.width': self.size[1]}
        if self.model and self.model != config.model.name:
            values |= {'model.name': self.model, 'model.weights': ''}
        try:
            return replace(config, values)
        except ConfigError as error:
            raise ConfigError(f'rung {str(self)!r}: {error}') from error


@dataclass(frozen=True)
class LadderState:
    """What stands ready and what runs, for the diagnostics.

    rungs: in words, the most costly first. measured_ms: of one frame on each when it was built,
    None where it was not measured. number: of the rung in force, from 0. changes: how often
    another one came into force.
    """

    rungs: tuple[str, ...]
    measured_ms: tuple[float | None, ...]
    number: int
    adapt: bool
    changes: int

    @property
    def rung(self) -> str:
        """The rung in force, in words."""
        return self.rungs[self.number]


def parse_rung(text: str) -> Rung:
    """Return the rung that a text stands for.

    Raises ConfigError for a text of another form, an unknown network or unknown scales.
    """
    found = _RUNG.fullmatch(text.replace(' ', ''))
    if found is None or not (found['model'] or found['scales']):
        raise ConfigError(f'unknown rung {text!r}: write {FORM}')
    scales = None
    try:
        if found['model']:
            get_model_entry(found['model'])
        if found['scales']:
            scales = check_scales(int(scale) for scale in found['scales'].split(','))
    except ConfigError as error:
        raise ConfigError(f'unknown rung {text!r}: {error}') from error
    size = (int(found['height']), int(found['width'])) if found['height'] else None
    return Rung(scales, size, found['model'] or '')


def rungs_of(config: PipelineConfig) -> tuple[Rung, ...]:
    """Return what must be built for a config: the whole ladder if it adapts, else its own rung.

    Raises ConfigError for all that is wrong about them and can be told without building them.
    """
    if not config.latency.adapt:
        rung = Rung.of(config)
        _check_scales(rung, config)
        return (rung,)
    rungs = tuple(parse_rung(text) for text in config.latency.ladder)
    if not rungs:
        raise ConfigError(
            'latency.adapt = true, but latency.ladder is empty: give the rungs from the most '
            f'costly to the cheapest, each as {FORM}; or set latency.adapt to false'
        )
    seen: dict[PipelineConfig, Rung] = {}
    for rung in rungs:
        _check_scales(rung, config)
        same = seen.setdefault(rung.applied_to(config), rung)
        if same is not rung:
            raise ConfigError(
                f'latency.ladder: rungs {str(same)!r} and {str(rung)!r} are the same: '
                'leave one of them out'
            )
    return rungs


def _check_scales(rung: Rung, config: PipelineConfig) -> None:
    name = rung.model or config.model.name
    all_scales = rung.scales in (None, ALL_SCALES)
    if not all_scales and name in list_models() and not get_model_entry(name).has_scales:
        raise ConfigError(f'rung {str(rung)!r}: {name} always uses all of its scales')


def check_change(old: PipelineConfig, new: PipelineConfig) -> None:
    """Refuse with a ConfigError what cannot be built, or would do nothing at run time."""
    for text in new.latency.ladder:
        parse_rung(text)
    rungs_of(new)
    if old.latency.adapt and new.latency.adapt and old.model.scales != new.model.scales:
        raise ConfigError(
            f'model.scales = {list(new.model.scales)}: latency.adapt is true, so the rung in '
            'force decides on the scales; change latency.ladder, or set latency.adapt to false'
        )


def check_order(rungs: Sequence[Rung], measured_ms: Sequence[float]) -> None:
    """Raise ConfigError where a rung is slower than the one before it."""
    for number in range(1, len(rungs)):
        before_ms, ms = measured_ms[number - 1], measured_ms[number]
        if ms > ORDER_TOLERANCE * before_ms:
            raise ConfigError(
                f'latency.ladder is not ordered by cost: {str(rungs[number])!r} takes {ms:.1f} ms '
                f'here, {str(rungs[number - 1])!r} before it {before_ms:.1f} ms; put the most '
                'costly rung first'
            )
