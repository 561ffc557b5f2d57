# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frame -> input of a network file, as its specification says; NumPy, OpenCV and Pillow only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.frame import Frame, Geometry
from mfaranet_ros.core.specification import InputForm, Size

_OPENCV = {
    'linear': cv2.INTER_LINEAR,
    'area': cv2.INTER_AREA,
    'cubic': cv2.INTER_CUBIC,
    'nearest': cv2.INTER_NEAREST,
}

_GRAY = {
    'rgb8': cv2.COLOR_RGB2GRAY,
    'bgr8': cv2.COLOR_BGR2GRAY,
    'rgba8': cv2.COLOR_RGBA2GRAY,
    'bgra8': cv2.COLOR_BGRA2GRAY,
}

_RED_FIRST = {'rgb8': True, 'rgba8': True, 'bgr8': False, 'bgra8': False}


class FilePreprocess:
    """Turns frames into what a network file takes, and says how the two relate.

    form: of the input, its size resolved where the file has a fixed one. size: height and width
    that the settings ask for, 0 where they do not.
    Raises ConfigError where the settings ask for a size that the network does not have.
    """

    def __init__(self, form: InputForm, size: Size = (0, 0)) -> None:
        self.form = form
        self.size = _wanted(form, size)
        self._tables = value_tables(form)
        self._fill = [_fill(form, channel) for channel in range(len(form.mean))]

    def __call__(self, frame: Frame) -> tuple[NDArray[Any], Geometry]:
        """Return the input, a batch of one in the layout and type of the form, and its geometry.

        Raises InferenceError for an image that does not fit into an input that is not scaled.
        """
        geometry = self.geometry(*frame.size)
        image = _resize(self._channels(frame), geometry.content, self.form.interpolation)
        return self._place(image, geometry), geometry

    def geometry(self, height: int, width: int) -> Geometry:
        """Return how a camera image of this height and width will stand in the input."""
        camera, form = (height, width), self.form
        if form.resize == 'pad':
            content = camera
        else:
            scales = [want / have for want, have in zip(self.size, camera, strict=True) if want]
            scale = min(scales, default=1.0)
            content = max(1, round(height * scale)), max(1, round(width * scale))
        least = self.size[0] or content[0], self.size[1] or content[1]
        whole = _up(least[0], form.multiple), _up(least[1], form.multiple)
        if form.resize == 'stretch':
            return Geometry(camera, whole, whole)
        if content[0] > whole[0] or content[1] > whole[1]:
            raise InferenceError(
                f'an image of {height}x{width} does not fit into the input of {whole[0]}x'
                f'{whole[1]}, and resize: pad does not scale: use resize: letterbox in the '
                'specification, or a smaller image'
            )
        if form.align == 'center':
            offset = (whole[0] - content[0]) // 2, (whole[1] - content[1]) // 2
            return Geometry(camera, content, whole, offset)
        return Geometry(camera, content, whole)

    def join(self, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return one batch of inputs that are of one size."""
        return np.concatenate(list(inputs))

    def _channels(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the channels of a frame in the order of the network: (H, W, 1 or 3) uint8."""
        pixels, gray = frame.pixels, self.form.channels == 'gray'
        if frame.encoding == 'mono8':
            return pixels if gray else np.repeat(pixels, 3, axis=2)
        if gray:
            planes = np.ascontiguousarray(pixels)
            return np.asarray(cv2.cvtColor(planes, _GRAY[frame.encoding])[..., None], np.uint8)
        turned = _RED_FIRST[frame.encoding] != (self.form.channels == 'rgb')
        return pixels[..., 2::-1] if turned else pixels[..., :3]

    def _place(self, image: NDArray[np.uint8], geometry: Geometry) -> NDArray[Any]:
        (top, left), (rows, columns) = geometry.offset, geometry.content
        dtype = self._tables[0].dtype
        planes = len(self._tables)
        result = np.empty((1, planes, *geometry.input), dtype)
        if self.form.layout == 'NHWC':
            result = np.empty((1, *geometry.input, planes), dtype).transpose(0, 3, 1, 2)
        for channel, table in enumerate(self._tables):
            plane = result[0, channel]
            if geometry.input != geometry.content:
                plane[:] = self._fill[channel]
            target = plane[top : top + rows, left : left + columns]
            np.take(table, image[..., channel], out=target, mode='clip')
        return result.transpose(0, 2, 3, 1) if self.form.layout == 'NHWC' else result


def value_tables(form: InputForm) -> list[NDArray[Any]]:
    """Return what the network takes for the values 0 to 255, for each channel in its type."""
    if form.type == 'uint8':
        return [np.arange(256, dtype=np.uint8)] * len(form.mean)
    black, white = form.range
    values = black + np.arange(256) / 255 * (white - black)
    return [
        ((values - mean) / std).astype(form.type)
        for mean, std in zip(form.mean, form.std, strict=True)
    ]


def _fill(form: InputForm, channel: int) -> float:
    """Return the value of the padding as the network takes it."""
    if form.type == 'uint8':
        return float(round(form.padding or 0))
    if form.padding is None:
        return 0.0  # the mean
    black, white = form.range
    value = black + form.padding / 255 * (white - black)
    return (value - form.mean[channel]) / form.std[channel]


def _wanted(form: InputForm, size: Size) -> Size:
    fixed = form.size or (0, 0)
    if not any(size) or size == fixed:
        return fixed
    if not form.dynamic:
        raise ConfigError(
            f'input.height = {size[0]} and input.width = {size[1]}, but this network takes '
            f'{fixed[0]}x{fixed[1]} only: set both to 0 or to that size'
        )
    return size


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _resize(image: NDArray[np.uint8], size: Size, how: str) -> NDArray[np.uint8]:
    if image.shape[:2] == size:
        return image
    plain = np.ascontiguousarray(image)
    if how == 'antialias':
        single = plain.shape[2] == 1
        given = Image.fromarray(plain[..., 0] if single else plain)
        resized = np.asarray(given.resize(size[::-1], Image.Resampling.BILINEAR))
    else:
        resized = np.asarray(cv2.resize(plain, size[::-1], interpolation=_OPENCV[how]))
    return resized.reshape(*size, plain.shape[2])
