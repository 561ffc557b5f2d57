# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera of the run: numbered images of the synthetic scene, a calibration, and faults."""

import cv2
import numpy as np
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene
from soak.image_code import UNREADABLE, with_code

SIZE = (128, 160)
OTHER_SIZE = (96, 128)
SCENES = 8
RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
FAULTS = (
    'stopped', 'frozen', 'wrong_encoding', 'truncated', 'other_size', 'black', 'white',
    'stamps_old', 'stamps_ahead', 'stamps_zero', 'stamps_repeated',
)  # fmt: skip
CALIBRATIONS = ('good', 'zero', 'other_size', 'silent')
OLD_NS = 30 * 10**9


class Camera:
    """Publishes an image each `period_ns` of wall time.

    now_ns(): the simulated time. on_sent(stamp_ns, code): called before an image is published.
    fault: one of FAULTS or ''. calibration: one of CALIBRATIONS.
    """

    def __init__(self, node, rate_hz, now_ns, on_sent):
        self._node = node
        self._period_ns = 10**9 / rate_hz
        self._now_ns = now_ns
        self._on_sent = on_sent
        self._due_ns = 0
        self._count = 0
        self._stamp_ns = 0
        self._frozen = None
        self.fault, self.calibration = '', 'good'
        scene = SyntheticScene(0, SceneOptions(), SceneCamera(SIZE[1], SIZE[0], SIZE[1] * 0.98))
        self._bodies = [scene.frame(10 * index).rgb for index in range(SCENES)]
        self._open()

    def _open(self):
        silent = PublisherEventCallbacks(use_default_callbacks=False)
        self._images = self._node.create_publisher(
            Image, 'image', RELIABLE, event_callbacks=silent
        )
        self._infos = self._node.create_publisher(
            CameraInfo, 'camera_info', RELIABLE, event_callbacks=silent
        )

    def restart(self):
        """Destroy the publishers and create them again, as a driver that is started again."""
        self._node.destroy_publisher(self._images)
        self._node.destroy_publisher(self._infos)
        self._open()

    def heal(self):
        """End every fault."""
        self.fault, self.calibration = '', 'good'

    def tick(self, wall_ns):
        """Publish an image if one is due."""
        if wall_ns >= self._due_ns:
            self._due_ns = max(self._due_ns + self._period_ns, wall_ns)
            if self.fault != 'stopped':
                self.send()

    def send(self):
        """Publish one calibration and one image with the present fault."""
        stamp_ns = self._next_stamp_ns()
        if self.calibration != 'silent':
            self._infos.publish(self._camera_info(stamp_ns))
        pixels, code = self._draw()
        message = Image(
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding='rgb9' if self.fault == 'wrong_encoding' else 'rgb8',
            step=3 * pixels.shape[1],
            data=pixels.tobytes()[: 100 if self.fault == 'truncated' else None],
        )
        message.header.frame_id = 'camera'
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        self._on_sent(stamp_ns, code)
        self._images.publish(message)

    def _next_stamp_ns(self):
        """Return the stamp of the next image: unique, unless the fault is that it is not."""
        now_ns = self._now_ns()
        if self.fault == 'stamps_zero':
            return 0
        if self.fault == 'stamps_repeated' and self._stamp_ns:
            return self._stamp_ns
        now_ns += {'stamps_old': -OLD_NS, 'stamps_ahead': OLD_NS}.get(self.fault, 0)
        # The last digits are the image's own, so that a jump of the clock repeats no stamp.
        self._stamp_ns = now_ns - now_ns % 10**6 + self._count % 10**6
        return self._stamp_ns

    def _draw(self):
        """Return the pixels of the next image and the number they carry."""
        if self.fault in ('black', 'white'):
            level = 0 if self.fault == 'black' else 255
            return np.full((*SIZE, 3), level, np.uint8), UNREADABLE
        if self.fault == 'frozen' and self._frozen is not None:
            return self._frozen
        self._count += 1
        body = self._bodies[self._count % SCENES]
        if self.fault == 'other_size':
            body = cv2.resize(body, OTHER_SIZE[::-1])
        self._frozen = with_code(body, self._count), self._count
        return self._frozen

    def _camera_info(self, stamp_ns):
        height, width = OTHER_SIZE if self.calibration == 'other_size' else SIZE
        focal = 0.0 if self.calibration == 'zero' else 0.98 * width
        message = CameraInfo(
            height=height,
            width=width,
            distortion_model='plumb_bob',
            d=[0.0] * 5,
            k=[focal, 0.0, width / 2 - 0.5, 0.0, focal, height / 2 - 0.5, 0.0, 0.0, 1.0],
        )
        message.header.frame_id = 'camera'
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        return message
