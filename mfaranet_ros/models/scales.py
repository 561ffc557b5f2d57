# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The scales of a feature pyramid by number."""

from __future__ import annotations

from collections.abc import Iterable

from mfaranet_ros.core.errors import ConfigError

ALL_SCALES = (1, 2, 3, 4)
"""The scales of a pyramid by number: 1 is stride 4, 2 stride 8, 3 stride 16, 4 stride 32."""


def check_scales(scales: Iterable[int]) -> tuple[int, ...]:
    """Return kept scales in ascending order.

    Raises ConfigError if there are none, if one is given twice, or if one is not 1, 2, 3 or 4.
    """
    given = tuple(scales)
    if (
        not given
        or len(set(given)) != len(given)
        or any(type(scale) is not int or scale not in ALL_SCALES for scale in given)
    ):
        raise ConfigError(
            f'scales {list(given)}: give one to four of 1 (stride 4), 2 (stride 8), '
            '3 (stride 16) and 4 (stride 32), each once'
        )
    return tuple(sorted(given))
