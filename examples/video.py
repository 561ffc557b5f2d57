# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Draw the segmentation over a video: python examples/video.py [VIDEO] [-o OVERLAY.mp4]

A folder of images or a bag works as well; the default is the synthetic scene.
"""

import argparse
from itertools import islice

import cv2

from mfaranet_ros import Segmenter, SyntheticScene, open_recording

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument('video', nargs='?')
parser.add_argument('-o', '--output', default='overlay.mp4')
parser.add_argument('-n', '--frames', type=int, default=50, help='number of frames at most')
args = parser.parse_args()

scene, writer = SyntheticScene(), cv2.VideoWriter()
images = (scene.frame(number).rgb for number in range(len(scene)))
if args.video:
    images = (item.frame for item in open_recording(args.video))
with Segmenter() as segmenter:
    for image in islice(images, args.frames):
        overlay = segmenter.overlay(segmenter(image))[..., ::-1]
        if not writer.isOpened():
            writer.open(args.output, cv2.VideoWriter.fourcc(*'mp4v'), 10, overlay.shape[1::-1])
        writer.write(overlay)
