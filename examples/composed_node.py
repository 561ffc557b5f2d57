# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node and a callback of your own in one process:

python examples/composed_node.py --ros-args -r image:=/camera/image_raw
"""

import sys

import rclpy
from sensor_msgs.msg import Image

from mfaranet_ros.ros.segmentation_node import SegmentationNode


def on_drivable(mask):
    print(f'{bytes(mask.data).count(255) / len(mask.data):.1%} drivable', flush=True)


rclpy.init(args=sys.argv)
segmentation, mine = SegmentationNode(finish=sys.exit), rclpy.create_node('drivable_share')
mine.create_subscription(Image, '/segmentation/drivable/mask', on_drivable, 1)
try:
    rclpy.get_global_executor().add_node(mine)
    segmentation.start()
    rclpy.spin(segmentation)
except (Exception, KeyboardInterrupt):
    if rclpy.ok():  # otherwise a signal has ended the context, perhaps amid a call
        raise
segmentation.close()
