# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Camera models from CameraInfo: projection, its inverse, other sizes, bad calibrations."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.geometry.camera import CameraModel, read_camera_info

KINDS = ('pinhole', 'plumb_bob', 'rational_polynomial', 'equidistant')
K = (400.0, 0, 322.5, 0, 405.0, 236.0, 0, 0, 1)
PLUMB_BOB = (-0.25, 0.08, 0.001, -0.0005, -0.01)
RATIONAL = (0.1, -0.05, 0.001, -0.0005, 0.01, 0.2, -0.03, 0.005)
FOLDING = CameraModel(640, 480, 300, 300, 320, 240, 'plumb_bob', (-0.3, 0.04, 0, 0))
NO_ROI = {'x_offset': 0, 'y_offset': 0, 'width': 0, 'height': 0, 'do_rectify': False}


def info(**changes):
    """Return the attributes of a CameraInfo."""
    fields = {
        'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'd': PLUMB_BOB, 'k': K,
        'r': (1, 0, 0, 0, 1, 0, 0, 0, 1), 'p': (0,) * 12, 'binning_x': 0, 'binning_y': 0,
        'roi': SimpleNamespace(**NO_ROI),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


def pixels_of(camera, step=7):
    """Return pixels (N, 2) all over the image, its edges included."""
    u = np.append(np.arange(-0.5, camera.width - 0.5, step), camera.width - 0.5)
    v = np.append(np.arange(-0.5, camera.height - 0.5, step), camera.height - 0.5)
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize('kind', KINDS)
def test_projection_is_that_of_opencv(kind, make_camera):
    camera = make_camera(kind)
    points = np.random.default_rng(1).uniform((-4, -3, 4), (4, 3, 9), (500, 3))
    matrix = np.array(((camera.fx, 0, camera.cx), (0, camera.fy, camera.cy), (0, 0, 1)))
    zero, d = np.zeros(3), np.array(camera.coefficients)
    project = cv2.fisheye.projectPoints if kind == 'equidistant' else cv2.projectPoints
    expected = project(points[:, None], zero, zero, matrix, d)[0]
    pixels, valid = camera.project(points)
    assert valid.all()
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2), atol=1e-9)


@pytest.mark.parametrize('kind', KINDS)
def test_every_pixel_has_a_ray_that_falls_on_it(kind, make_camera):
    camera = make_camera(kind)
    pixels = pixels_of(camera)
    rays = camera.rays(pixels)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1, atol=1e-12)
    back, valid = camera.project(3.7 * rays)
    assert valid.all()
    np.testing.assert_allclose(back, pixels, atol=1e-8)


def test_what_is_far_off_does_not_fold_back_into_the_image():
    angles = np.radians(np.arange(1, 90, 0.5))
    points = np.column_stack((np.sin(angles), 0 * angles, np.cos(angles)))
    zero, d = np.zeros(3), np.array(FOLDING.coefficients)
    matrix = np.array(((300, 0, 320), (0, 300, 240), (0, 0, 1.0)))
    naive = cv2.projectPoints(points, zero, zero, matrix, d)[0].reshape(-1, 2)
    pixels, valid = FOLDING.project(points)
    folded = np.append(False, np.diff(naive[:, 0]) < 0)
    assert (folded & FOLDING.inside(naive)).any(), 'this lens does not fold, the test is void'
    assert not (folded & valid).any()
    assert (np.diff(pixels[valid, 0]) > 0).all()
    assert np.isnan(pixels[~valid]).all()
    assert np.flatnonzero(~valid).min() > np.flatnonzero(valid).max()


def test_a_pixel_beyond_the_valid_distortion_has_no_ray():
    edge = FOLDING.project(np.array(((0, 0, 1.0),)))[0] + (600, 0)
    assert np.isnan(FOLDING.rays(edge)).all()
    assert np.isfinite(FOLDING.rays(((320, 240), (330, 300)))).all()


@pytest.mark.parametrize(
    ('kind', 'degrees', 'seen'),
    [
        ('pinhole', 80, True),
        ('pinhole', 90, False),
        ('pinhole', 135, False),
        ('pinhole', 180, False),
        ('plumb_bob', 180, False),
        ('equidistant', 80, True),
        ('equidistant', 95, True),
    ],
)
def test_what_is_behind_is_seen_by_a_fisheye_only(kind, degrees, seen, make_camera):
    angle = math.radians(degrees)
    pixels, valid = make_camera(kind).project(((math.sin(angle), 0, math.cos(angle)),))
    assert valid.tolist() == [seen]
    assert np.isfinite(pixels).all() == seen


@pytest.mark.parametrize('kind', KINDS)
def test_no_points_and_points_that_are_none_are_no_problem(kind, make_camera):
    camera = make_camera(kind)
    assert camera.project(np.empty((0, 3)))[0].shape == (0, 2)
    assert camera.rays(np.empty((0, 2))).shape == (0, 3)
    nowhere = ((0, 0, 0), (math.nan, 0, 1), (0, math.inf, 1))
    assert not camera.project(nowhere)[1].any()


@pytest.mark.parametrize(
    ('name', 'd'),
    [
        ('', ()),
        ('', (0.0,) * 5),
        ('plumb_bob', ()),
        ('plumb_bob', (0.0,) * 5),
        ('rational_polynomial', (0.0,) * 8),
        ('rational_polynomial', (0.0,) * 14),
        ('none', ()),
        ('pinhole', (0.0,) * 5),
    ],
)
def test_without_distortion_it_is_a_pinhole(name, d):
    camera = read_camera_info(info(distortion_model=name, d=d))
    assert camera == CameraModel(640, 480, 400.0, 405.0, 322.5, 236.0)


def test_a_fisheye_without_distortion_is_still_a_fisheye():
    camera = read_camera_info(info(distortion_model='equidistant', d=(0.0,) * 4))
    pixels, _ = camera.project(((math.sin(1), 0, math.cos(1)),))
    np.testing.assert_allclose(pixels, ((322.5 + 400, 236),))


def test_coefficients_filled_up_with_zeros_are_read():
    camera = read_camera_info(info(d=(*PLUMB_BOB, 0.0, 0.0, 0.0)))
    assert camera.coefficients == PLUMB_BOB
    assert read_camera_info(info(d=PLUMB_BOB[:4])).coefficients == PLUMB_BOB[:4]
    rational = info(distortion_model='rational_polynomial', d=(*RATIONAL, 0.0, 0.0, 0.0, 0.0))
    assert read_camera_info(rational).coefficients == RATIONAL


LONG = {
    'plumb_bob of 8': ('plumb_bob', RATIONAL),
    'thin prism': ('rational_polynomial', (*RATIONAL, 0.002, -0.001, 0.001, 0.0005)),
    'tilt': ('rational_polynomial', (*RATIONAL, 0.002, -0.001, 0.001, 0.0005, 0.02, -0.03)),
}


@pytest.mark.parametrize(('name', 'd'), LONG.values(), ids=LONG)
def test_long_distortions_are_those_of_opencv(name, d):
    camera = read_camera_info(info(distortion_model=name, d=d))
    assert len(camera.coefficients) == len(d)
    points = np.random.default_rng(1).uniform((-3, -2, 4), (3, 2, 9), (500, 3))
    zero = np.zeros(3)
    expected = cv2.projectPoints(points, zero, zero, np.reshape(K, (3, 3)), np.array(d))[0]
    pixels, valid = camera.project(points)
    assert valid.all()
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2), atol=1e-9)
    seen = pixels_of(camera, 20)
    rays = camera.rays(seen)
    known = np.isfinite(rays).all(axis=1)
    assert known.mean() > 0.99
    np.testing.assert_allclose(camera.project(rays[known])[0], seen[known], atol=1e-7)


def test_fisheye_is_another_name_of_equidistant():
    d = (0.01, -0.002, 0.001, 0.0005)
    one, other = (
        read_camera_info(info(distortion_model=name, d=d)) for name in ('fisheye', 'equidistant')
    )
    assert one == other


def test_both_kinds_of_message_are_read_alike(messages):
    stamp = messages.make('builtin_interfaces/msg/Time', {'sec': 1, 'nanosec': 2})
    header = messages.make('std_msgs/msg/Header', {'stamp': stamp, 'frame_id': 'camera'})
    plain = info()
    arrays = {name: np.array(getattr(plain, name), np.float64) for name in ('d', 'k', 'r', 'p')}
    roi = messages.make('sensor_msgs/msg/RegionOfInterest', NO_ROI)
    fields = {**vars(plain), **arrays, 'roi': roi, 'header': header}
    message = messages.make('sensor_msgs/msg/CameraInfo', fields)
    assert read_camera_info(message) == read_camera_info(plain)


BAD = {
    'not calibrated': ({'k': (0.0,) * 9}, 'all zero'),
    'no matrix': ({'k': ()}, 'of 0 values'),
    'zero focal length': ({'k': (0, 0, 320, 0, 405, 236, 0, 0, 1)}, 'fx = 0'),
    'negative focal length': ({'k': (400, 0, 320, 0, -4, 236, 0, 0, 1)}, 'fy = -4'),
    'skew': ({'k': (400, 3, 320, 0, 405, 236, 0, 0, 1)}, 'skew of 3'),
    'misspelt model': ({'distortion_model': 'plumbob'}, "did you mean 'plumb_bob'"),
    'unknown model': (
        {'distortion_model': 'double_sphere'},
        'choose from equidistant, fisheye, none, pinhole, plumb_bob',
    ),
    'no model': ({'distortion_model': ''}, 'distortion_model is empty'),
    'too few': ({'d': (0.1, 0.2, 0.3)}, '3 distortion coefficients for the model plumb_bob'),
    'too many': ({'d': (0.1,) * 9}, 'it has 4 or 5 or 8'),
    'a pinhole with distortion': ({'distortion_model': 'none'}, 'distortion_model is none'),
    'shouted': ({'distortion_model': 'PLUMB'}, "did you mean 'plumb_bob'"),
    'fisheye without': ({'distortion_model': 'equidistant', 'd': ()}, '0 distortion coefficients'),
    'rational of 5': (
        {'distortion_model': 'rational_polynomial', 'd': (0.1,) * 5},
        'it has 8 or 12 or 14',
    ),
    'not a number': ({'d': (math.nan, 0, 0, 0, 0)}, 'not finite'),
    'infinite centre': ({'k': (400, 0, math.inf, 0, 405, 236, 0, 0, 1)}, 'not finite'),
    'zero width': ({'width': 0}, '0x480'),
    'zero height': ({'height': 0}, '640x0'),
}


@pytest.mark.parametrize(('changes', 'words'), BAD.values(), ids=BAD)
def test_a_bad_calibration_is_refused_in_one_line(changes, words):
    with pytest.raises(CalibrationError) as caught:
        read_camera_info(info(**changes))
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('PLUMB_BOB', 'plumb_bob'), ('plumb-bob', 'plumb_bob'), ('Plumb Bob', 'plumb_bob'),
        ('bob_plumb', 'plumb_bob'), ('plum_bob', 'plumb_bob'), ('radtan', 'plumb_bob'),
        ('Brown-Conrady', 'plumb_bob'), ('Kannala_Brandt4', 'equidistant'),
        ('sensor_msgs::distortion_models::EQUIDISTANT', 'equidistant'), ('fish_eye', 'fisheye'),
        ('rational-polynomial', 'rational_polynomial'), ('rational', 'rational_polynomial'),
        ('polynomial_rational', 'rational_polynomial'), ('None', 'none'), ('pin-hole', 'pinhole'),
    ],
)  # fmt: skip
def test_the_distortion_that_is_meant_comes_first(name, meant):
    with pytest.raises(CalibrationError, match=f"did you mean '{meant}'"):
        read_camera_info(info(distortion_model=name))


COUNTS = {
    'plumb_bob': (4, 5, 8),
    'rational_polynomial': (8, 12, 14),
    'fisheye': (4,),
    'equidistant': (4,),
}


@pytest.mark.parametrize('count', range(1, 16))
@pytest.mark.parametrize('name', COUNTS)
def test_every_number_of_coefficients_is_taken_or_refused(name, count):
    message = info(distortion_model=name, d=tuple(0.01 / (n + 1) for n in range(count)))
    if count in COUNTS[name]:
        assert len(read_camera_info(message).coefficients) == count
    else:
        with pytest.raises(CalibrationError, match=f'^{count} distortion coefficients'):
            read_camera_info(message)


def test_an_image_of_another_size_is_refused_with_both_sizes():
    camera = read_camera_info(info())
    camera.check_size(480, 640)
    with pytest.raises(CalibrationError, match=r'image is 1280x720 .* for 640x480'):
        camera.check_size(720, 1280)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('size', [(360, 480), (180, 240), (97, 333), (720, 960)])
def test_a_resized_image_keeps_its_edges_in_place(kind, size, make_camera):
    camera = make_camera(kind)
    scaled = camera.scaled_to(*size)
    assert scaled.size == size
    points = np.random.default_rng(2).uniform((-2, -2, 3), (2, 2, 9), (200, 3))
    before, after = camera.project(points)[0], scaled.project(points)[0]
    share = (before + 0.5) / (camera.width, camera.height)
    np.testing.assert_allclose((after + 0.5) / (scaled.width, scaled.height), share, atol=1e-12)


def test_the_region_of_interest_and_the_binning_are_those_of_the_image():
    roi = SimpleNamespace(x_offset=40, y_offset=100, width=500, height=300, do_rectify=False)
    full = read_camera_info(info())
    camera = read_camera_info(info(roi=roi, binning_x=2, binning_y=3))
    assert camera.size == (100, 250)
    points = np.random.default_rng(3).uniform((-2, -1, 4), (2, 1, 9), (50, 3))
    expected = (full.project(points)[0] - (40, 100) + 0.5) / (2, 3) - 0.5
    np.testing.assert_allclose(camera.project(points)[0], expected, atol=1e-9)


def test_inside_is_up_to_the_outer_edges_of_the_pixels():
    camera = CameraModel(4, 3, 2, 2, 1, 1)
    edges = np.array(((-0.5, -0.5), (3.49, 2.49), (3.5, 1), (1, 2.5), (-0.51, 1), (math.nan, 1)))
    assert camera.inside(edges).tolist() == [True, True, False, False, False, False]
