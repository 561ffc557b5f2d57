# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How a network is run over an image: once over the whole, or in parts, enlarged and mirrored.

The four ways of the paper are in METHODS (models.md 1.7, from the authors' code): parts of
1024x1024, logits of the image and its mirror image averaged, then exponentiated, summed over
windows and test-time scales. Unlike theirs, an image smaller than a window is not padded: the
networks take any size.
"""

from __future__ import annotations

from dataclasses import dataclass

from mfaranet_ros.core.errors import ConfigError

LARGEST_SCALE = 8.0


@dataclass(frozen=True)
class Method:
    """How a network is run; by default once, over the whole image.

    window: height and width of the parts in pixels, None for the whole; an image is not padded
        to it. step: by which share of itself a part is away from the next.
    test_time_scales: factors by which the image is resized; the scores are added.
    flip: the mirror image is run, too.
    """

    window: tuple[int, int] | None = None
    step: float = 1.0
    test_time_scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and min(self.window) < 1:
            raise ConfigError(f'window {self.window}: height and width must be 1 px or more')
        if not 0 < self.step <= 1:
            raise ConfigError(f'step {self.step}: must be above 0, and 1 at most')
        if not self.test_time_scales or not all(
            0 < scale <= LARGEST_SCALE for scale in self.test_time_scales
        ):
            raise ConfigError(
                f'test-time scales {list(self.test_time_scales)}: give one or more above 0 and '
                f'up to {LARGEST_SCALE:g}'
            )

    def __str__(self) -> str:
        parts = ['whole image']
        if self.window is not None:
            parts = [f'windows of {self.window[0]}x{self.window[1]} px, step {self.step:.2g}']
        if self.test_time_scales != (1.0,):
            parts.append(
                f'test-time scales {", ".join(f"{scale:g}" for scale in self.test_time_scales)}'
            )
        return ', '.join([*parts, *(['flip'] if self.flip else [])])


PAPER_WINDOW = (1024, 1024)

METHODS = {
    'whole': Method(),
    'window': Method(PAPER_WINDOW),
    'window-flip': Method(PAPER_WINDOW, flip=True),
    'multi-scale': Method(PAPER_WINDOW, 2 / 3, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True),
}
"""The ways in which the paper's figures were measured."""
