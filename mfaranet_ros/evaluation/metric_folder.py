"""The true grids and boundaries of pictures, in files as `mfaranet scene` writes them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from mfaranet_ros.errors import SourceError
from mfaranet_ros.evaluation.sample import MetricTruth
from mfaranet_ros.frame import Grid

SUFFIX = '.npz'


def read_metric(folder: Path, name: str) -> MetricTruth:
    """Read the truth of the picture of this name.

    The file holds cells, int8 (rows along y, columns along x), 0 free, 100 blocked, -1 unseen;
    resolution_m; corner_m, x and y of the lower corner of cell (0, 0); and, where it is known,
    boundary_m, float (M, 2). Raises SourceError, which names the file.
    """
    path = folder.expanduser() / f'{name}{SUFFIX}'
    try:
        with np.load(path, allow_pickle=False) as content:
            x_min_m, y_min_m = (float(value) for value in content['corner_m'])
            cells = np.asarray(content['cells'], np.int8)
            grid = Grid(cells, float(content['resolution_m']), x_min_m, y_min_m)
            known = 'boundary_m' in content
            boundary_m = np.asarray(content['boundary_m'], np.float64) if known else None
    except OSError as error:
        raise SourceError(
            f'{path} cannot be read: {error.strerror or error}; give the metric truth of every '
            'picture'
        ) from error
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f'{path} is no metric truth ({error}): write it with `mfaranet scene`'
        ) from error
    return MetricTruth(grid, boundary_m)
