# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The errors this package raises at its edges.

MfaranetError
 +-- ConfigError        a setting that does not exist or has a value out of range
 +-- UnknownNameError   a model, backend, label set, device ... that does not exist
 +-- WeightsError       a weights file that is missing, broken or does not fit
 +-- CalibrationError   a camera calibration from which no ground can be computed
 +-- DecodeError        an image or image message that cannot be turned into a frame
 +-- StaleFrame         a frame that is older than latency.max_age_ms allows
 +-- InferenceError     the network failed on one frame, the next may succeed
 +-- SourceError        recorded images or videos that cannot be played or scored
 +-- OutputError        results that cannot be written (full disk, no permission)
 +-- ClosedError        an object that is used after it was closed
 +-- ProcessError       a process that a tool started ended before its time
 +-- TrainingError      a training run that cannot go on

Each message says what was given, what is allowed and what to do, in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfaranet_ros.core.frame import Frame, Timings


LISTED = 20
"""Longest list of names that an error shows in full beside the nearest names."""


class MfaranetError(Exception):
    """Base of every error this package raises on purpose."""

    def __str__(self) -> str:
        """Return the message in one line; what cannot be encoded, as in a name, is escaped."""
        text = super().__str__().encode(errors='backslashreplace').decode()
        return ' '.join(text.splitlines())


class ConfigError(MfaranetError):
    """A setting does not exist, or its value is not allowed."""


class UnknownNameError(ConfigError):
    """A name is not in the list it must come from; the message holds the nearest names.

    kind: what is named, such as `model`. name: the given one. known: the allowed names. A long
    list is left out of the message if some of its names are near the given one.
    synonyms: names that others give to known ones, in lower case without separators.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None
    ) -> None:
        known = sorted(known)
        near = _near(name, known, synonyms or {})
        parts = [f'did you mean {" or ".join(map(repr, near))}?'] if near else []
        if not near or len(known) <= LISTED:
            parts.append(f'choose from {", ".join(known)}')
        super().__init__(f'unknown {kind} {name!r}: {" ".join(parts)}')


def _near(name: str, known: list[str], synonyms: Mapping[str, str]) -> list[str]:
    """Return the known names that may be meant, the nearest first.

    A name that differs in letter case, separators or a qualifier (`a::b::name`) alone means one.
    """
    for given in (_bare(name), _bare(re.split(r'::|[./]', name)[-1])):
        same = [each for each in known if _bare(each) == given]
        if given and (same or given in synonyms):
            return same or [synonyms[given]]
    by_lower = {each.lower(): each for each in known}
    return [by_lower[n] for n in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]


def _bare(name: str) -> str:
    """Return a name in lower case, its letters and digits only."""
    return re.sub(r'[\W_]', '', name).lower()


class WeightsError(MfaranetError):
    """A weights file is missing, truncated, foreign, or does not fit the model."""


class CalibrationError(MfaranetError):
    """A CameraInfo or a mounting pose from which no ground geometry can be computed."""


class DecodeError(MfaranetError):
    """An image cannot be turned into a frame; `reason` is the name it is counted under."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StaleFrame(MfaranetError):  # noqa: N818 (nothing failed)
    """A frame is older than latency.max_age_ms allows, so its result would be published too late.

    frame: the one that was given up. timings: what was spent on it until then.
    """

    def __init__(self, frame: Frame, age_ms: float, max_age_ms: float, timings: Timings) -> None:
        super().__init__(
            f'the frame is {age_ms:.0f} ms old: latency.max_age_ms allows {max_age_ms:g} ms'
        )
        self.frame = frame
        self.timings = timings


class InferenceError(MfaranetError):
    """The network failed on one frame; the frame is dropped and the next one is tried."""


class SourceError(MfaranetError):
    """Recorded images or a video cannot be played or scored."""


class OutputError(MfaranetError):
    """Results cannot be written, for example because the disk is full."""


class ClosedError(MfaranetError):
    """An object is used after its `close`."""


class ProcessError(MfaranetError):
    """A process that a tool started ended before its time; the message is its own."""


class TrainingError(MfaranetError):
    """A training run cannot go on: its loss is not finite, or too much of its data is broken."""
