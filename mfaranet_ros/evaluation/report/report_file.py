# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""report.json: model, settings and input; all measures, together, per bag and per frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mfaranet_ros.evaluation.metrics.figures import frame_figures, measures
from mfaranet_ros.evaluation.runs.method import Method
from mfaranet_ros.evaluation.runs.parts import Part, Results

SCHEMA = 'mfaranet evaluation'
VERSION = 1
"""Raised when a key means something else than before; new keys alone do not raise it."""


@dataclass(frozen=True)
class About:
    """Model, settings, input and speed of an evaluation; the mappings hold JSON values.

    model: what FrameProcessor.prepare says. given: the images or bags, and their hash.
    config: every setting. run: how many processes and threads, and how fast. seconds: all of it.
    """

    model: Mapping[str, str]
    method: Method
    given: Mapping[str, Any]
    versions: Mapping[str, str]
    config: Mapping[str, Any]
    run: Mapping[str, Any]
    seconds: float
    budget_ms: float


def report(about: About, results: Results) -> dict[str, Any]:
    """Return everything as JSON can hold it.

    All but `run`, `seconds`, `latency` and `ms` is the same for the same frames, network and
    settings on the same machine, to the last bit.
    """
    together = results.together
    return {
        'schema': {'name': SCHEMA, 'version': VERSION},
        'model': dict(about.model),
        'method': asdict(about.method),
        'input': dict(about.given),
        'versions': dict(about.versions),
        'config': dict(about.config),
        'run': dict(about.run),
        'seconds': round(about.seconds, 3),
        **_of(together, about.budget_ms),
        'parts': [
            {
                'name': part.name,
                'source': asdict(part.summaries[0]),
                **_of(part, about.budget_ms),
            }
            for part in results.parts
        ],
        'frames': [frame_figures(frame) for frame in together.frames],
        'skipped': [asdict(frame) for frame in together.skipped],
        'worst': [frame.name for frame in together.ranked()[:10]],
    }


def _of(part: Part, budget_ms: float) -> dict[str, Any]:
    found = measures(part, budget_ms)
    return {'scores': found.pop('scores'), 'measures': found}
