# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The true grids and boundaries of images, in files as `mfaranet scene` writes them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.frame import GroundGrid
from mfaranet_ros.evaluation.runs.sample import MetricGroundTruth

SUFFIX = '.npz'


def read_metric(folder: Path, name: str) -> MetricGroundTruth:
    """Read the ground truth of the image of this name.

    The file holds cells, int8 (rows along y, columns along x), 0 free, 100 blocked, -1 unseen;
    resolution_m; corner_m, x and y of the lower corner of cell (0, 0); and, where it is known,
    boundary_m, float (M, 2). Raises SourceError, which names the file.
    """
    path = folder.expanduser() / f'{name}{SUFFIX}'
    try:
        with np.load(path, allow_pickle=False) as content:
            x_min_m, y_min_m = (float(value) for value in content['corner_m'])
            cells = np.asarray(content['cells'], np.int8)
            grid = GroundGrid(cells, float(content['resolution_m']), x_min_m, y_min_m)
            known = 'boundary_m' in content
            boundary_m = np.asarray(content['boundary_m'], np.float64) if known else None
    except OSError as error:
        raise SourceError(
            f'{path} cannot be read: {error.strerror or error}; give the metric ground truth of '
            f'every '
            'image'
        ) from error
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f'{path} is not a metric ground truth ({error}): write it with `mfaranet scene`'
        ) from error
    return MetricGroundTruth(grid, boundary_m)
