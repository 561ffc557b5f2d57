# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tabulate the free road ahead in a bag: python examples/bag_to_parquet.py BAG TABLE.parquet"""

import argparse
import sys

import numpy as np

from mfaranet_ros import Segmenter, open_recording

try:
    import pyarrow.parquet
except ImportError:
    sys.exit('error: pyarrow is not installed: pip install pyarrow')
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('bag')
parser.add_argument('table')
parser.add_argument('--camera-height', type=float, default=1.5, help='above the ground, in m')
args, rows = parser.parse_args(), []
with open_recording(args.bag) as recording:
    camera = next(iter(recording)).camera_info
    if camera is None:
        sys.exit(f'error: {args.bag} holds no camera_info, which distances need')
    with Segmenter(camera=camera, ground_z=args.camera_height) as segmenter:
        for item in recording:
            x, y = segmenter(item.frame).drivable.boundary_m.T
            ahead_m = float(x[np.abs(np.arctan2(y, x)).argmin()])
            rows.append({'stamp_ns': item.stamp_ns, 'drivable_ahead_m': ahead_m})
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), args.table)
