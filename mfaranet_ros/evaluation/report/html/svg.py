# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Plots as inline SVG in the colours of the page: by classes of CSS, with no colour of their own.

All are 400 wide, which is what a phone has room for, so that letters keep their size there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 400
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
TICKS = 4

Point = tuple[float, float]
Text = Callable[[float], str]


def image(height: float, says: str, parts: Iterable[str]) -> str:
    """Return an SVG of this height; says: what a reader who cannot see it is told."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(says)}">'
        f'{"".join(parts)}</svg>'
    )


def text(x: float, y: float, content: str, kind: str = '', anchor: str = 'start') -> str:
    """Return a text; anchor: start, middle or end."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
        f'{escape(content)}</text>'
    )


def line(a: Point, b: Point, kind: str) -> str:
    """Return a straight line."""
    return (
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" class="{kind}"/>'
    )


def box(
    x: float, y: float, width: float, height: float, kind: str, says: str = '', opacity: float = 1
) -> str:
    """Return a filled box; says: shown when it is pointed at."""
    faded = f' fill-opacity="{opacity:.3f}"' if opacity < 1 else ''
    title = f'<title>{escape(says)}</title>' if says else ''
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
        f'height="{max(height, 0):.1f}" class="{kind}"{faded}>{title}</rect>'
    )


@dataclass(frozen=True)
class Axes:
    """A plot with both axes: which values they show, and how these are written."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    x_text: Text = '{:g}'.format
    y_text: Text = '{:g}'.format
    height: float = 240

    def place(self, x: float, y: float) -> Point:
        """Return where a value lies; values beyond the axes lie on their ends."""
        across = _share(x, self.x) * (WIDTH - LEFT - RIGHT)
        down = (1 - _share(y, self.y)) * (self.height - TOP - BOTTOM)
        return LEFT + across, TOP + down

    @property
    def floor(self) -> float:
        """Where the lower axis lies."""
        return self.height - BOTTOM

    def draw(self, says: str, parts: Iterable[str]) -> str:
        """Return the plot with its axes."""
        return image(self.height, says, [*self._axes(), *parts])

    def _axes(self) -> Iterable[str]:
        for value in ticks(*self.y):
            y = self.place(self.x[0], value)[1]
            yield line((LEFT, y), (WIDTH - RIGHT, y), 'rule')
            yield text(LEFT - 6, y + 4, self.y_text(value), 'tick', 'end')
        for value in ticks(*self.x):
            x = self.place(value, self.y[0])[0]
            yield text(x, self.floor + 16, self.x_text(value), 'tick', 'middle')
        yield text((LEFT + WIDTH - RIGHT) / 2, self.height - 6, self.x_label, 'label', 'middle')
        middle = (TOP + self.floor) / 2
        yield (
            f'<text class="label" text-anchor="middle" transform="translate(11 {middle:.1f}) '
            f'rotate(-90)">{escape(self.y_label)}</text>'
        )

    def curve(self, points: Sequence[Point], kind: str) -> str:
        """Return a line through points; it is broken where y is nan."""
        pieces: list[str] = []
        pen = 'M'
        for x, y in points:
            if math.isnan(y):
                pen = 'M'
                continue
            across, down = self.place(x, y)
            pieces.append(f'{pen}{across:.1f} {down:.1f}')
            pen = 'L'
        return f'<path d="{"".join(pieces)}" class="{kind}"/>'

    def column(self, low: float, high: float, value: float, kind: str, says: str) -> str:
        """Return a column from the lower axis up to a value."""
        (x, y), right = self.place(low, value), self.place(high, value)[0]
        return box(x + 0.5, y, right - x - 1, self.floor - y, kind, says)

    def level(self, value: float, content: str) -> str:
        """Return a dashed line across at a value, with a text on it."""
        y = self.place(self.x[0], value)[1]
        return line((LEFT, y), (WIDTH - RIGHT, y), 'mark') + text(
            WIDTH - RIGHT, y - 4, content, 'tick', 'end'
        )

    def upright(self, value: float, content: str) -> str:
        """Return a dashed line upwards at a value, with a text beside it."""
        x = self.place(value, self.y[0])[0]
        late = x > WIDTH / 2
        return line((x, TOP), (x, self.floor), 'mark') + text(
            x - 4 if late else x + 4, TOP + 10, content, 'tick', 'end' if late else 'start'
        )


def ticks(low: float, high: float) -> list[float]:
    """Return a few round values between two others."""
    step = 10 ** math.floor(math.log10((high - low) / TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= TICKS + 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def rows(
    values: Sequence[tuple[str, float, str]], says: str, *, kind: str = 'bar', most: float = 1.0
) -> str:
    """Return horizontal bars, each with its name before and its value behind it."""
    step, name_width, value_width = 20, 120, 52
    room = WIDTH - name_width - value_width
    parts = []
    for number, (name, value, shown) in enumerate(values):
        y = number * step
        length = 0.0 if math.isnan(value) else min(value / most, 1.0) * room
        parts.append(text(name_width - 8, y + 14, _shortened(name), 'name', 'end'))
        parts.append(box(name_width, y + 3, room, step - 6, 'track'))
        parts.append(box(name_width, y + 3, length, step - 6, kind, f'{name}: {shown}'))
        parts.append(text(WIDTH, y + 14, shown, 'value', 'end'))
    return image(len(values) * step, says, parts)


def _shortened(name: str) -> str:
    return name if len(name) <= 17 else f'{name[:16]}…'


def _share(value: float, ends: tuple[float, float]) -> float:
    return min(1.0, max(0.0, (value - ends[0]) / (ends[1] - ends[0])))
