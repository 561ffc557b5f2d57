# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The calibration of recorded images: nominal, from a file, and what is wrong with files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.data.calibration_file import (
    check_size,
    nominal_camera_info,
    read_calibration,
)

CASES = Path(__file__).resolve().parents[3] / 'shared' / 'cases' / 'calibration'

CONTENT = {
    'image_width': 640,
    'image_height': 480,
    'camera_name': 'front',
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [500, 0, 320.5, 0, 501, 240.5, 0, 0, 1]},
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [-0.3, 0.1, 1e-3, -2e-3, 0.0]},
    'rectification_matrix': {'rows': 3, 'cols': 3, 'data': [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    'projection_matrix': {
        'rows': 3,
        'cols': 4,
        'data': [490, 0, 32, 0, 0, 491, 24, 0, 0, 0, 1, 0],
    },
}


def write(path, content):
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_a_file_is_read_as_it_stands(tmp_path):
    found = read_calibration(write(tmp_path / 'camera.yaml', CONTENT))
    assert (found.height, found.width, found.distortion_model) == (480, 640, 'plumb_bob')
    for values, name in (
        (found.k, 'camera_matrix'),
        (found.d, 'distortion_coefficients'),
        (found.r, 'rectification_matrix'),
        (found.p, 'projection_matrix'),
    ):
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, CONTENT[name]['data'])


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'camera_matrix': None}, r'camera\.yaml'),
        ({'camera_matrix': {'data': [1, 2]}}, 'camera_matrix has 2 values: must be 9'),
        ({'image_width': 0}, 'image_width = 0'),
        ({'image_height': '480'}, "image_height = '480'"),
        ({'distortion_coefficients': {'data': ['x']}}, r'camera\.yaml'),
        ({'distortion_coefficients': {'data': [float('nan')]}}, 'not finite'),
        ({'projection_matrix': {}}, "lacks 'data'"),
    ],
)
def test_a_file_that_lacks_something_is_refused(tmp_path, change, text):
    path = write(tmp_path / 'camera.yaml', {**CONTENT, **change})
    with pytest.raises(CalibrationError, match=text) as caught:
        read_calibration(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', sorted(CONTENT.keys() - {'camera_name'}))
def test_a_missing_part_is_named(tmp_path, name):
    content = {key: value for key, value in CONTENT.items() if key != name}
    with pytest.raises(CalibrationError, match=f"lacks '{name}'"):
        read_calibration(write(tmp_path / 'camera.yaml', content))


@pytest.mark.parametrize('content', [None, '', '[1, 2', 'text', '- 1'])
def test_what_is_no_calibration_file_is_refused(tmp_path, content):
    path = tmp_path / 'camera.yaml'
    if content is not None:
        write(path, content)
    with pytest.raises(CalibrationError, match=r'camera\.yaml'):
        read_calibration(path)


def test_the_model_has_another_name_in_files_of_melodic(tmp_path):
    content = dict(CONTENT)
    content['camera_model'] = content.pop('distortion_model')
    found = read_calibration(write(tmp_path / 'camera.yaml', content))
    assert found.distortion_model == 'plumb_bob'


OPENCV = """%YAML:1.0
---
calibration_time: "Thu 01 Jan 2026"
image_width: 640
image_height: 480
flags: 0
{more}camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 500., 0., 320.5, 0.,
       501., 240.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: {count}
   cols: 1
   dt: d
   data: [ {values} ]
per_view_reprojection_errors: !!opencv-nd-matrix
   sizes: [ 1, 2 ]
   dt: f
   data: [ .5, .25 ]
"""


@pytest.mark.parametrize(
    ('count', 'more', 'model'),
    [(4, '', 'plumb_bob'), (5, '', 'plumb_bob'), (8, '', 'rational_polynomial'),
     (14, '', 'rational_polynomial'), (4, 'fisheye_model: 1\n', 'equidistant')],
)  # fmt: skip
def test_a_file_of_opencv_is_read(tmp_path, count, more, model):
    values = [-0.25 / (place + 1) for place in range(count)]
    text = OPENCV.format(count=count, more=more, values=', '.join(map(repr, values)))
    found = read_calibration(write(tmp_path / 'camera.yaml', text))
    assert (found.height, found.width, found.distortion_model) == (480, 640, model)
    np.testing.assert_array_equal(found.d, values)
    np.testing.assert_array_equal(found.k, CONTENT['camera_matrix']['data'])
    np.testing.assert_array_equal(found.r, np.eye(3).ravel())
    np.testing.assert_array_equal(found.p.reshape(3, 4)[:, :3].ravel(), found.k)


KALIBR = {
    'cam0': {
        'camera_model': 'pinhole',
        'distortion_coeffs': [-0.3, 0.1, 1e-3, -2e-3],
        'distortion_model': 'radtan',
        'intrinsics': [500.0, 501.0, 320.5, 240.5],
        'resolution': [640, 480],
        'rostopic': '/cam/image_raw',
    }
}


@pytest.mark.parametrize(
    ('name', 'model', 'coefficients'),
    [('radtan', 'plumb_bob', 5), ('equidistant', 'equidistant', 4)],
)
def test_a_file_of_kalibr_is_read(tmp_path, name, model, coefficients):
    content = {'cam0': {**KALIBR['cam0'], 'distortion_model': name}}
    found = read_calibration(write(tmp_path / 'camera.yaml', content))
    assert (found.height, found.width, found.distortion_model) == (480, 640, model)
    np.testing.assert_array_equal(found.k, CONTENT['camera_matrix']['data'])
    np.testing.assert_array_equal(found.d, [-0.3, 0.1, 1e-3, -2e-3, 0.0][:coefficients])
    np.testing.assert_array_equal(found.p.reshape(3, 4)[:, :3].ravel(), found.k)


@pytest.mark.parametrize(
    ('change', 'text'),
    [
        ({'camera_model': 'omni'}, "camera model 'omni': only pinhole"),
        ({'distortion_model': 'fov'}, "distortion model 'fov': choose from radtan"),
        ({'intrinsics': [1, 2]}, r'camera\.yaml'),
        ({'resolution': [0, 480]}, 'image_width = 0'),
        ({'distortion_coeffs': [0.1] * 9}, 'do not fit radtan'),
        ({'distortion_coeffs': [float('inf')]}, 'do not fit radtan'),
    ],
)
def test_a_file_of_kalibr_that_cannot_be_used_is_refused(tmp_path, change, text):
    content = {'cam0': {**KALIBR['cam0'], **change}}
    with pytest.raises(CalibrationError, match=text) as caught:
        read_calibration(write(tmp_path / 'camera.yaml', content))
    assert '\n' not in str(caught.value)


def test_of_several_cameras_of_kalibr_one_must_be_left(tmp_path):
    content = dict.fromkeys(('cam0', 'cam1'), KALIBR['cam0'])
    with pytest.raises(CalibrationError, match='holds cam0, cam1: leave one'):
        read_calibration(write(tmp_path / 'camera.yaml', content))


@pytest.mark.parametrize('name', ['camera_model', 'opencv'])
def test_the_cases_that_were_reported_are_read(name):
    path = (
        Path(__file__).resolve().parents[3] / 'shared' / 'cases' / 'calibration' / f'{name}.yaml'
    )
    if not path.is_file():
        pytest.skip(f'{path} is not here')
    found = read_calibration(path)
    assert (found.width, found.k[0], found.distortion_model) == (640, 800.0, 'plumb_bob')


@pytest.mark.parametrize('hfov_deg', [10.0, 50.0, 90.0, 150.0])
@pytest.mark.parametrize('size', [(360, 480), (1023, 2047)])
def test_a_nominal_camera_sees_its_field_of_view(size, hfov_deg):
    height, width = size
    camera = nominal_camera_info(height, width, hfov_deg)
    k = camera.k.reshape(3, 3)
    # The outer edges of the image lie half a pixel beyond the centres of the outer pixels.
    left, right = ((u - k[0, 2]) / k[0, 0] for u in (-0.5, width - 0.5))
    assert math.degrees(math.atan(right) - math.atan(left)) == pytest.approx(hfov_deg)
    assert k[0, 0] == k[1, 1]
    assert not camera.d.any()
    np.testing.assert_array_equal(camera.p.reshape(3, 4)[:, :3], k)


def test_a_calibration_for_another_size_is_refused():
    camera = nominal_camera_info(480, 640, 60.0)
    check_size(camera, 480, 640, 'a.jpg')
    with pytest.raises(CalibrationError, match=r'640x480 px, a\.jpg has 640x360'):
        check_size(camera, 360, 640, 'a.jpg')
