# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Segmentation of images from Python: the pipeline of the node, without ROS."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import make_config
from mfaranet_ros.core.errors import ClosedError, ConfigError, DecodeError, UnknownNameError
from mfaranet_ros.core.frame import (
    CHANNELS,
    METRIC_OUTPUTS,
    Frame,
    MessageLike,
    Output,
    Result,
)
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.geometry.camera import CameraModel, read_camera_info
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.ground_source import FixedGround
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style

Pixels = NDArray[np.uint8]
ImageLike = Pixels | Frame

IMAGE_OUTPUTS = frozenset({Output.MASK, Output.CONFIDENCE, Output.DRIVABLE_MASK})
"""What is computed of an image without a calibrated camera."""


class Segmenter:
    """Segments images: class, confidence and drivable area of each pixel, free ground in metres.

        with Segmenter('mfaranet_resnet18', runtime_device='cpu') as segmenter:
            result = segmenter(image)  # uint8 (H, W, 3) RGB
            road = result.labels == segmenter.label_set.names.index('Road')

    model: a name of `list_models()`.
    weights: a weights file (.safetensors, a published .pth or an exported .onnx), or the name of
        one that is shipped; None: the one shipped for the model.
    camera: the calibration of the images, a CameraModel or a CameraInfo message. With it a result
        has the grid, the boundary and the points; without it these are None.
    mounting: where the camera is on the vehicle; None: as `ground_x`, `ground_y`, `ground_z` (m),
        `ground_roll`, `ground_pitch` and `ground_yaw` (rad) say.
    settings: any field of `PipelineConfig`, its dot written as an underscore: `runtime.device` is
        `runtime_device`, `input.width` is `input_width`.

    Everything is checked and loaded here. Raises UnknownNameError with the nearest names for a
    model or setting that does not exist, ConfigError for a value out of range, WeightsError for a
    weights file that is missing or does not fit, CalibrationError for a camera that sees no
    ground. One thread at a time may use it.
    """

    def __init__(
        self,
        model: str = 'mfaranet_resnet18',
        weights: str | Path | None = None,
        *,
        camera: CameraModel | MessageLike | None = None,
        mounting: MountingPose | None = None,
        **settings: Any,
    ) -> None:
        self.config = make_config(model, weights, settings)
        self._processor: FrameProcessor | None = None
        self._camera = _camera_model(camera)
        if mounting is not None and self._camera is None:
            raise ConfigError('mounting is given without camera: give the calibration as well')
        processor = build_processor(self.config)
        self.label_set: LabelSet = processor.label_set
        if self._camera is not None:
            projection = _project(self._camera, mounting, processor)
            processor = dataclasses.replace(processor, ground=FixedGround(projection))
        prepare(processor)
        self._processor = processor

    def __call__(
        self,
        image: ImageLike,
        *,
        encoding: str = 'rgb8',
        outputs: Iterable[Output] | None = None,
    ) -> Result:
        """Segment one image.

        image: uint8 (H, W, 3), or (H, W) for mono8; or a Frame, which has its own encoding.
        encoding: rgb8, bgr8 (as OpenCV reads files), rgba8, bgra8 or mono8.
        outputs: what to compute besides the labels; None: all that is known. Fewer are faster.

        The result has `labels`, uint8 (H, W), ids of `label_set`; `confidence`, uint8 (H, W), the
        probability times 255; `drivable.mask`, uint8 (H, W): 255 drivable, 0 not, 127 unsure; and
        with a camera `drivable.grid`, `drivable.boundary_m` and `drivable.points`.
        Raises DecodeError for an image of another type or shape, CalibrationError for one of
        another size than the camera's, InferenceError if the network fails, ClosedError after
        `close`.
        """
        return self.batch((image,), encoding=encoding, outputs=outputs)[0]

    def batch(
        self,
        images: Sequence[ImageLike],
        *,
        encoding: str = 'rgb8',
        outputs: Iterable[Output] | None = None,
    ) -> tuple[Result, ...]:
        """Segment several images, those of one size in one run of the network.

        Arguments, results and errors, ClosedError among them, are those of `__call__`.
        """
        if self._processor is None:
            raise ClosedError('this Segmenter is closed: make a new one')
        frames = [_frame(image, encoding) for image in images]
        if self._camera is not None:
            for frame in frames:
                self._camera.check_size(*frame.size)
        known = IMAGE_OUTPUTS if self._camera is None else IMAGE_OUTPUTS | METRIC_OUTPUTS
        return self._processor.batch(frames, known if outputs is None else outputs)

    def overlay(self, result: Result) -> Pixels:
        """Return the image of a result under the colours of its classes: uint8 (H, W, 3) RGB.

        `output_overlay_alpha` and `output_palette` decide how it looks.
        """
        output = self.config.output
        style = Style(self.label_set, None, output.palette, output.overlay_alpha)
        image = encode.overlay(result, style)
        return np.asarray(image.data).reshape(image.height, image.width, 3)

    @staticmethod
    def decode(message: MessageLike) -> Frame:
        """Return the frame of a sensor_msgs Image or CompressedImage, to be segmented.

        The message may be one of rclpy, of rosbags, or anything with the same attributes. Raises
        DecodeError for one that is broken or has an unsupported encoding.
        """
        return decode(message)

    def close(self) -> None:
        """Free the device; a second call does nothing."""
        processor, self._processor = self._processor, None
        if processor is not None:
            processor.close()

    def __enter__(self) -> Segmenter:
        """Return itself; `close` is called at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the device."""
        self.close()


def _camera_model(camera: CameraModel | MessageLike | None) -> CameraModel | None:
    if camera is None or isinstance(camera, CameraModel):
        return camera
    if not hasattr(camera, 'k'):
        raise ConfigError(
            f'camera = {camera!r}: must be a CameraModel or a CameraInfo message; '
            'read_calibration(path) reads one from a file'
        )
    return read_camera_info(camera)


def _project(
    camera: CameraModel, mounting: MountingPose | None, processor: FrameProcessor
) -> GroundProjection:
    ground, resolution = processor.config.ground, processor.config.output.resolution
    pose = mounting or MountingPose.from_xyz_rpy(
        ground.x, ground.y, ground.z, ground.roll, ground.pitch, ground.yaw
    )
    mask_size = processor.preprocess.geometry(*camera.size).mask_size(resolution)
    return GroundProjection(camera, pose, ground, mask_size)


def _frame(image: ImageLike, encoding: str) -> Frame:
    """Return an image as a frame, without copying; raises DecodeError, UnknownNameError."""
    if isinstance(image, Frame):
        return image
    if isinstance(image, str | os.PathLike):
        raise DecodeError(
            'data',
            f'image is the path {os.fspath(image)!r}: must be an array, read the file first, as '
            "with cv2.imread(path) and encoding='bgr8'",
        )
    if encoding not in CHANNELS:
        raise UnknownNameError('encoding', encoding, CHANNELS)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise DecodeError(
            'data',
            f'image has dtype {pixels.dtype}: must be uint8 with values 0 to 255; convert one of '
            '0.0 to 1.0 by (255 * image).round().astype(numpy.uint8)',
        )
    channels = CHANNELS[encoding]
    if channels == 1 and pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] != channels:
        raise DecodeError('data', _wrong_shape(pixels.shape, encoding))
    if 0 in pixels.shape:
        raise DecodeError('size', f'image has shape {pixels.shape}: must not be empty')
    return Frame(pixels, encoding, stamp_ns=0, frame_id='')


def _wrong_shape(shape: tuple[int, ...], encoding: str) -> str:
    channels = CHANNELS[encoding]
    advice = 'check the array'
    if len(shape) == 2:
        advice = "give encoding='mono8' for a grey image"
    elif len(shape) == 4:
        advice = 'give several images to batch()'
    elif len(shape) == 3 and shape[0] == channels:
        advice = 'move the channels to the end by image.transpose(1, 2, 0)'
    elif len(shape) == 3:
        fitting = [name for name, count in CHANNELS.items() if count == shape[2]]
        advice = f'give encoding={" or ".join(map(repr, fitting))}' if fitting else advice
    return f'image has shape {shape}: {encoding} needs (height, width, {channels}), {advice}'
