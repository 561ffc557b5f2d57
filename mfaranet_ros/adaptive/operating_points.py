# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operating points: scales, input sizes and networks that take turns to keep the latency budget.

An operating point is written as `[MODEL:]SCALES[@HEIGHTxWIDTH]`: `1,2,3,4@512x1024`, `2`,
`2@360x480`, `mfaranet_resnet18:2@360x480`, or `MODEL[@HEIGHTxWIDTH]` for a whole other network, of
any family. `MODEL=FILE` names its weights. What an operating point leaves out is taken from the
configuration. They are listed from the most costly to the cheapest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.specification_file import is_network_file
from mfaranet_ros.models.scales import ALL_SCALES, check_scales

FORM = (
    '[MODEL[=FILE]:]SCALES[@HEIGHTxWIDTH], as in 1,2,3,4@512x1024, 2, mfaranet_resnet18:2@360x480 '
    'or eseg_lite_s@360x480, or a network file such as net.yaml or net.onnx@384x640'
)

ORDER_TOLERANCE = 1.1
"""Largest ratio of an operating point's time to that of the one before it: no two measurements are
equal."""

_OPERATING_POINT = re.compile(
    r'(?:(?P<file>[^@=:]+\.(?:onnx|xml|yaml))(?::(?=\d)|(?=@|$)))?'
    r'(?:(?P<model>[A-Za-z]\w*)(?:=(?P<weights>[^@:]+))?(?::(?=\d)|(?=@|$)))?'
    r'(?P<scales>\d{1,4}(?:,\d{1,4})*)?'
    r'(?:@(?P<height>\d{1,6})x(?P<width>\d{1,6}))?'
)


@dataclass(frozen=True)
class OperatingPoint:
    """One way to run the network.

    scales: the kept ones, ascending; None: all that the network has.
    size: height and width of the network input in px, a 0 as in input.height and input.width;
        None: those of the config.
    model: name of the network, or a network file; empty: that of the config.
    weights: file of that network's weights; empty: those that are shipped for it.
    """

    scales: tuple[int, ...] | None
    size: tuple[int, int] | None = None
    model: str = ''
    weights: str = ''

    @classmethod
    def of(cls, config: PipelineConfig, base: PipelineConfig | None = None) -> OperatingPoint:
        """Return the operating point of a config, with network and weights if the base has others.

        base: the config it is compared with; default: the config itself.
        """
        model, size = config.model, (config.input.height, config.input.width)
        scales: tuple[int, ...] | None = tuple(sorted(model.scales))
        for file in filter(is_network_file, (model.name, model.weights)):
            kept = None if scales == ALL_SCALES else scales
            return cls(kept, size if any(size) else None, file)
        other = base is not None and (
            model.name != base.model.name or model.weights not in ('', base.model.weights)
        )
        if scales == ALL_SCALES and (other or not has_scales(model.name)):
            scales = None
        named = model.name if other or scales is None else ''
        weights = model.weights if other else ''
        return cls(scales, size if any(size) else None, named, weights)

    def __str__(self) -> str:
        model = f'{self.model}={self.weights}' if self.weights else self.model
        scales = ','.join(map(str, self.scales or ()))
        size = f'@{self.size[0]}x{self.size[1]}' if self.size else ''
        return ':'.join(filter(None, (model, scales))) + size

    def applied_to(self, config: PipelineConfig) -> PipelineConfig:
        """Return the config with what the operating point says.

        The weights file of the config belongs to its own network: another network takes the file
        of the operating point, or the one shipped for it.
        Raises ConfigError for sizes out of range.
        """
        values: dict[str, object] = {'model.scales': self.scales or ALL_SCALES}
        if self.size:
            values |= {'input.height': self.size[0], 'input.width': self.size[1]}
        if self.model and self.model != config.model.name:
            values |= {'model.name': self.model, 'model.weights': ''}
        if self.weights:
            values['model.weights'] = self.weights
        try:
            return replace(config, values)
        except ConfigError as error:
            raise ConfigError(f'operating point {str(self)!r}: {error}') from error


def parse_operating_point(text: str) -> OperatingPoint:
    """Return the operating point that a text stands for.

    Raises ConfigError for a text of another form, an unknown network or unknown scales.
    """
    found = _OPERATING_POINT.fullmatch(text.replace(' ', ''))
    if found is None or not (found['file'] or found['model'] or found['scales']):
        raise ConfigError(f'unknown operating point {text!r}: write {FORM}')
    scales = None
    try:
        if found['model']:
            from mfaranet_ros.models import get_model_entry

            get_model_entry(found['model'])
        if found['scales']:
            scales = check_scales(int(scale) for scale in found['scales'].split(','))
    except ConfigError as error:
        raise ConfigError(f'unknown operating point {text!r}: {error}') from error
    size = (int(found['height']), int(found['width'])) if found['height'] else None
    model = found['file'] or found['model'] or ''
    return OperatingPoint(scales, size, model, found['weights'] or '')


def operating_points_of(config: PipelineConfig) -> tuple[OperatingPoint, ...]:
    """Return what must be built for a config: all its operating points if it adapts, else one.

    Raises ConfigError for whatever is wrong with them that shows without building them.
    """
    if not config.latency.adapt:
        operating_point = OperatingPoint.of(config)
        _check_scales(operating_point, config, f'model.scales = {list(config.model.scales)}')
        return (operating_point,)
    operating_points = tuple(
        parse_operating_point(text) for text in config.latency.operating_points
    )
    if not operating_points:
        raise ConfigError(
            'latency.adapt = true, but latency.operating_points is empty: give the operating '
            'points from the most '
            f'costly to the cheapest, each as {FORM}; or set latency.adapt to false'
        )
    seen: dict[PipelineConfig, OperatingPoint] = {}
    for operating_point in operating_points:
        _check_scales(operating_point, config, f'operating point {str(operating_point)!r}')
        same = seen.setdefault(operating_point.applied_to(config), operating_point)
        if same is not operating_point:
            raise ConfigError(
                f'latency.operating_points: operating points {str(same)!r} and '
                f'{str(operating_point)!r} are the same: '
                'leave one of them out'
            )
    return operating_points


def _check_scales(operating_point: OperatingPoint, config: PipelineConfig, given: str) -> None:
    name = operating_point.model or config.model.name
    if operating_point.scales not in (None, ALL_SCALES) and not has_scales(name):
        raise ConfigError(f'{given}: {name} always uses all of its scales: leave them out')


def has_scales(model: str) -> bool:
    """Return whether a network can run with some of its scales; unknown ones are refused later."""
    from mfaranet_ros.models import get_model_entry, list_models

    return model not in list_models() or get_model_entry(model).has_scales


def check_change(old: PipelineConfig, new: PipelineConfig) -> None:
    """Raise ConfigError for a change that cannot be built, or would have no effect."""
    for text in new.latency.operating_points:
        parse_operating_point(text)
    operating_points_of(new)
    if old.latency.adapt and new.latency.adapt and old.model.scales != new.model.scales:
        raise ConfigError(
            f'model.scales = {list(new.model.scales)}: latency.adapt is true, so the operating '
            f'point in '
            'force decides on the scales; change latency.operating_points, or set latency.adapt '
            'to false'
        )


def check_order(operating_points: Sequence[OperatingPoint], measured_ms: Sequence[float]) -> None:
    """Raise ConfigError where an operating point is slower than the one before it."""
    for number in range(1, len(operating_points)):
        before_ms, ms = measured_ms[number - 1], measured_ms[number]
        if ms > ORDER_TOLERANCE * before_ms:
            raise ConfigError(
                f'latency.operating_points is not ordered by cost: '
                f'{str(operating_points[number])!r} takes {ms:.1f} ms '
                f'here, {str(operating_points[number - 1])!r} before it {before_ms:.1f} ms; put '
                f'the most '
                'costly operating point first'
            )
