# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The Segmenter: what it gives, that it is the node's pipeline, and what it refuses."""

import sys

import numpy as np
import pytest

from mfaranet_ros import (
    CalibrationError,
    CameraModel,
    ClosedError,
    ConfigError,
    DecodeError,
    Frame,
    MfaranetError,
    MountingPose,
    Output,
    PipelineConfig,
    Segmenter,
    UnknownNameError,
    WeightsError,
)
from mfaranet_ros.core.settings import settings_of
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

SCENE = SceneCamera(160, 120, fx=157.0)
CAMERA = CameraModel(160, 120, SCENE.fx, SCENE.fy, SCENE.cx, SCENE.cy)
TORCH = {'runtime_device': 'cpu', 'runtime_backend': 'torch'}
GREY = np.full((48, 64, 3), 120, np.uint8)


@pytest.fixture(scope='module')
def image():
    return SyntheticScene(seed=3, camera=SCENE).frame(40).rgb


@pytest.fixture(scope='module')
def segmenter():
    with Segmenter(
        'mfaranet_resnet18', camera=CAMERA, ground_x=0.5, ground_z=1.4, **TORCH
    ) as made:
        yield made


@pytest.fixture(scope='module')
def mock():
    return Segmenter(runtime_backend='mock')


def test_result(segmenter, image):
    result = segmenter(image)
    road = segmenter.label_set.names.index('road')
    assert result.labels.shape == result.confidence.shape == result.drivable.mask.shape
    assert result.labels.shape == image.shape[:2]
    assert result.labels.dtype == result.confidence.dtype == result.drivable.mask.dtype == np.uint8
    assert (result.labels[100:, 60:100] == road).mean() > 0.9
    assert result.drivable.grid.cells.shape == (200, 400)
    assert (result.drivable.grid.cells == 0).any()
    assert len(result.drivable.boundary_m) == 180
    assert result.timings.inference_ms > 0


def test_it_is_the_pipeline_of_the_node(segmenter, image):
    processor = build_processor(segmenter.config)
    expected = processor(Frame(image, 'rgb8', 0, ''))
    assert (segmenter(image).labels == expected.labels).all()


def test_encodings_agree(segmenter, image):
    expected = segmenter(image).labels
    assert (segmenter(image[..., ::-1], encoding='bgr8').labels == expected).all()
    message = encode.image(Frame(image, 'rgb8', 1_500_000_000, 'camera'))
    result = segmenter(segmenter.decode(message))
    assert (result.labels == expected).all()
    assert (result.stamp_ns, result.frame_id) == (1_500_000_000, 'camera')


def test_batch(segmenter, image):
    flipped = np.ascontiguousarray(image[:, ::-1])
    results = segmenter.batch([image, flipped])
    assert len(results) == 2
    for result, single in zip(results, (image, flipped), strict=True):
        assert (result.labels == segmenter(single).labels).mean() > 0.999
    assert segmenter.batch([]) == ()


def test_only_what_is_asked_for_is_computed(segmenter, image):
    result = segmenter(image, outputs=(Output.MASK,))
    assert result.confidence is result.drivable.mask is result.drivable.grid is None


def test_overlay(segmenter, image):
    overlay = segmenter.overlay(segmenter(image))
    assert (overlay.shape, overlay.dtype) == (image.shape, np.uint8)
    assert (overlay != image).any()


def test_camera_may_be_a_message_and_mounting_a_pose(segmenter, image):
    info = type('Info', (), {
        'height': 120, 'width': 160, 'distortion_model': 'plumb_bob', 'd': [0.0] * 5,
        'k': SCENE.k.ravel(), 'binning_x': 0, 'binning_y': 0,
        'roi': type('Roi', (), dict.fromkeys(('x_offset', 'y_offset', 'height', 'width'), 0)),
    })  # fmt: skip
    pose = MountingPose.from_xyz_rpy(0.5, 0.0, 1.4, 0.0, 0.0, 0.0)
    with Segmenter(camera=info, mounting=pose, **TORCH) as other:
        grid = other(image).drivable.grid
    assert (grid.cells == segmenter(image).drivable.grid.cells).all()


def test_grey_images_and_no_camera(mock):
    result = mock(GREY[..., 0], encoding='mono8')
    assert result.labels.shape == GREY.shape[:2]
    assert result.drivable.grid is result.drivable.boundary_m is None
    assert result.drivable.mask is not None


def test_every_setting_is_a_keyword():
    settings = [setting for setting in settings_of(PipelineConfig) if 'model.' not in setting.name]
    given = {setting.name.replace('.', '_'): setting.default for setting in settings}
    assert len(given) == len(settings)
    given['runtime_backend'] = 'mock'
    config = Segmenter(**given, model_scales=(2,)).config
    assert config.model.scales == (2,)
    assert config.latency == PipelineConfig().latency


MAKING = {
    'unknown model': ({'model': 'mfaranet_resnet19'}, UnknownNameError, "did you mean 'mfaranet_"),
    'unknown setting': (
        {'runtime_devise': 'cpu'}, UnknownNameError, r"mean 'runtime_device' or [^?]*\?$",
    ),
    'model twice': ({'model_name': 'eseg_s'}, UnknownNameError, "unknown setting 'model_name'"),
    'value': ({'drivable_min_confidence': 2.0}, ConfigError, 'must be 0 to 1'),
    'device': ({'runtime_device': 'tpu'}, UnknownNameError, "unknown device 'tpu'"),
    'missing file': ({'weights': 'no/such.pth'}, WeightsError, 'no/such.pth does not exist'),
    'no camera': ({'camera': 'front.yaml'}, ConfigError, r'read_calibration\(path\)'),
    'mounting alone': (
        {'mounting': MountingPose.from_xyz_rpy(0, 0, 1, 0, 0, 0)}, ConfigError, 'without camera',
    ),
    'sky only': (
        {'camera': CAMERA, 'ground_pitch': -1.5, 'runtime_backend': 'mock'}, CalibrationError,
        'sees no ground',
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', MAKING)
def test_making_refuses(case):
    arguments, kind, text = MAKING[case]
    with pytest.raises(kind, match=text) as caught:
        Segmenter(**arguments)
    assert '\n' not in str(caught.value)


def test_missing_optional_dependency(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(MfaranetError, match='pip install') as caught:
        Segmenter(runtime_backend='onnx')
    assert '\n' not in str(caught.value)


IMAGES = {
    'float': (GREY / 255, {}, 'dtype float64: must be uint8 .* 0 to 255.*astype'),
    'list of numbers': ([[1, 2]], {}, 'dtype int64: must be uint8'),
    'path': ('photo.jpg', {}, "path 'photo.jpg': must be an array"),
    'channels first': (GREY.transpose(2, 0, 1), {}, r'transpose\(1, 2, 0\)'),
    'grey': (GREY[..., 0], {}, "encoding='mono8'"),
    'alpha': (np.zeros((8, 8, 4), np.uint8), {}, "encoding='rgba8' or 'bgra8'"),
    'two channels': (GREY[..., :2], {}, r'rgb8 needs \(height, width, 3\)'),
    'several': (GREY[None], {}, r'batch\(\)'),
    'empty': (GREY[:0], {}, 'must not be empty'),
    'colour as mono8': (GREY, {'encoding': 'mono8'}, "give encoding='rgb8' or 'bgr8'"),
    'encoding': (GREY, {'encoding': 'rgb'}, "did you mean 'rgb8'"),
}


@pytest.mark.parametrize('case', IMAGES)
def test_images_that_are_refused(mock, case):
    image, arguments, text = IMAGES[case]
    with pytest.raises((DecodeError, UnknownNameError), match=text) as caught:
        mock(image, **arguments)
    assert '\n' not in str(caught.value)


def test_image_of_another_size_than_the_camera(segmenter):
    with pytest.raises(CalibrationError, match='64x48 but its CameraInfo is for 160x120'):
        segmenter(GREY)


def test_closed():
    with Segmenter(runtime_backend='mock') as closed:
        pass
    closed.close()
    with pytest.raises(ClosedError, match='this Segmenter is closed: make a new one'):
        closed(GREY)
