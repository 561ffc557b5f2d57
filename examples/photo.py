# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Segment one photo: python examples/photo.py [IMAGE] [-o OVERLAY.png]

Without an image a frame of the synthetic scene is taken.
"""

import argparse

import cv2

from mfaranet_ros import Segmenter, SyntheticScene

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('image', nargs='?')
parser.add_argument('-o', '--output', default='overlay.png')
args = parser.parse_args()

image = cv2.imread(args.image) if args.image else SyntheticScene().frame(0).rgb[..., ::-1]
if image is None:
    parser.error(f'{args.image} cannot be read as an image')
with Segmenter() as segmenter:
    result = segmenter(image, encoding='bgr8')
    for number, name in enumerate(segmenter.label_set.names):
        print(f'{name:12} {(result.labels == number).mean():6.1%}')
    print(f'drivable     {(result.drivable.mask == 255).mean():6.1%}')
    cv2.imwrite(args.output, segmenter.overlay(result)[..., ::-1])
