# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibrations from which no ground follows, and mounting poses that no camera can have."""

import dataclasses
import math
import weakref

import numpy as np

from faults.catalogue import covered, fault, refused
from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.data.calibration_file import read_calibration
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.ground import GridLayout, GroundProjection
from mfaranet_ros.geometry.ground_source import GroundSource
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.messages import CameraInfo, Header, RegionOfInterest, Time

SIZE = (24, 32)
FRAME = Frame(np.zeros((*SIZE, 3), np.uint8), 'rgb8', 0, 'camera')
GOOD = CameraInfo(
    Header(Time(0, 0), 'camera'), *SIZE, 'plumb_bob', np.zeros(5),
    np.array([30.0, 0, 15.5, 0, 30, 11.5, 0, 0, 1]), np.eye(3).ravel(), np.eye(3, 4).ravel(),
)  # fmt: skip


def info(**changes):
    """Return a good calibration with some fields changed."""
    return dataclasses.replace(GOOD, **changes)


def _k(**changes):
    values = {'fx': 30.0, 'skew': 0.0, 'cx': 15.5, 'fy': 30.0, 'cy': 11.5, **changes}
    return np.array([values['fx'], values['skew'], values['cx'], 0, values['fy'], values['cy'],
                     0, 0, 1])  # fmt: skip


def _refused(words, **changes):
    refused(CalibrationError, words, read_camera_info, info(**changes))


@fault('calibration', 'an uncalibrated camera: k is all zero', 'no metric output, with the reason')
def calibration_zero(kit):
    _refused('all zero', k=np.zeros(9))


@fault('calibration', 'k of eight numbers', 'no metric output, with the reason')
def calibration_short_k(kit):
    _refused('of 8 values', k=np.ones(8))


@fault('calibration', 'a skewed sensor', 'no metric output: calibrate without skew')
def calibration_skew(kit):
    _refused('skew of 0.5', k=_k(skew=0.5))


@fault('calibration', 'focal length below zero', 'no metric output, with the reason')
def calibration_negative_focal(kit):
    _refused('-30', k=_k(fx=-30.0))


@fault('calibration', 'NaN or infinity in k or d', 'no metric output: not finite')
def calibration_not_finite(kit):
    _refused('not finite', k=_k(cx=math.nan))
    _refused('not finite', d=np.array([math.inf, 0, 0, 0, 0]))


@fault('calibration', 'focal length of 1e308', 'a ground or a reason, no crash')
def calibration_endless_focal(kit):
    source = GroundSource()
    source.take_camera_info(info(k=_k(fx=1e308, fy=1e308)))
    with np.errstate(all='ignore'):
        ground = source.at(FRAME, SIZE, GroundConfig())
    assert (ground.projection is None) == bool(ground.problem)


@fault('calibration', 'a misspelled distortion model', 'no metric output: did you mean ...')
def calibration_model_misspelled(kit):
    _refused("did you mean 'plumb_bob'", distortion_model='plum_bob', d=np.full(5, 0.1))


@fault('calibration', 'three coefficients of plumb_bob', 'no metric output: it has 4 or 5 or 8')
def calibration_few_coefficients(kit):
    _refused('4 or 5 or 8', d=np.full(3, 0.1))


@fault('calibration', 'coefficients without a model', 'no metric output: name the model')
def calibration_unnamed_model(kit):
    _refused('name the model', distortion_model='', d=np.full(5, 0.1))


@fault('calibration', 'width or height of 0', 'no metric output, with the size')
def calibration_no_size(kit):
    _refused('0x24', width=0)


@fault('calibration', 'binning larger than the image', 'no metric output, with the reason')
def calibration_binned_away(kit):
    _refused('0x', binning_x=100)


@fault('calibration', 'a region of interest outside of the sensor', 'a ground or a reason')
def calibration_region_outside(kit):
    source = GroundSource()
    source.take_camera_info(info(roi=RegionOfInterest(5000, 5000, SIZE[0], SIZE[1], False)))
    ground = source.at(FRAME, SIZE, GroundConfig())
    assert (ground.projection is None) == bool(ground.problem)


@fault('calibration', 'for another size than the image', 'no metric output, with both sizes')
def calibration_other_size(kit):
    source = GroundSource()
    source.take_camera_info(info(width=640, height=480))
    ground = source.at(FRAME, SIZE, GroundConfig())
    assert ground.projection is None
    assert '640x480' in ground.problem


@fault(
    'calibration',
    'no CameraInfo has been received yet',
    'no metric output, masks go on; the topic is named',
)
def calibration_missing(kit):
    ground = GroundSource(missing='no CameraInfo on /camera_info').at(FRAME, SIZE, GroundConfig())
    assert ground.projection is None
    assert '/camera_info' in ground.problem


@fault('calibration', 'a good one after a bad one', 'the ground returns with the next image')
def calibration_mended(kit):
    source = GroundSource()
    source.take_camera_info(info(k=np.zeros(9)))
    assert source.at(FRAME, SIZE, GroundConfig()).projection is None
    source.take_camera_info(GOOD)
    assert source.at(FRAME, SIZE, GroundConfig()).projection is not None


@fault('memory', 'the node is cleaned up', 'the tables of the ground are freed at once')
def memory_of_the_ground(kit):
    source = GroundSource()
    source.take_camera_info(GOOD)
    projection = weakref.ref(source.at(FRAME, SIZE, GroundConfig()).projection)
    assert projection() is not None
    source.close()
    assert projection() is None


@fault('calibration', 'the camera looks at the sky', 'no metric output: it sees none of the grid')
def calibration_sky(kit):
    pose = MountingPose.from_xyz_rpy(0, 0, 1.5, 0, -1.2, 0)
    words, config = 'grid', GroundConfig(resolution=0.5)
    refused(CalibrationError, words, GroundProjection, read_camera_info(GOOD), pose, config, SIZE)


@fault('calibration', 'a file that is not YAML', 'refused with line and column')
def calibration_file_broken(kit):
    path = kit.write('camera.yaml', 'image_width: [640\nimage_height: 480')
    refused(CalibrationError, 'is not YAML', read_calibration, path)


@fault('calibration', 'a date that does not exist in a file', 'refused in one line')
def calibration_file_date(kit):
    path = kit.write('camera.yaml', 'image_width: 2023-99-99')
    refused(CalibrationError, 'is not YAML', read_calibration, path)


@fault('calibration', 'a file without camera_matrix', 'refused: lacks camera_matrix')
def calibration_file_incomplete(kit):
    text = 'image_width: 640\nimage_height: 480\ndistortion_model: plumb_bob\n'
    text += 'distortion_coefficients: {rows: 1, cols: 1, data: [0]}\n'
    refused(CalibrationError, 'lacks', read_calibration, kit.write('camera.yaml', text))


@fault('calibration', 'a grid of no cells or of 100 million', 'refused with the number of cells')
def calibration_grid_size(kit):
    refused(ConfigError, 'ground.x_max', GridLayout.from_config, GroundConfig(x_max=-5.0))
    endless = GroundConfig(x_max=1000.0, y_min=-1000.0, y_max=1000.0, resolution=0.01)
    refused(ConfigError, 'cells', GridLayout.from_config, endless)


covered(
    'calibration', 'calibration_lost', 'it is lost while images go on', 'the grid is cleared',
    'test/ros/test_segmentation_node.py::test_the_grid_is_cleared_when_the_calibration_is_lost_while_images_go_on',
)  # fmt: skip
covered(
    'calibration', 'calibration_latched', 'published once before the node came', 'it is taken',
    'test/ros/test_segmentation_node.py::test_a_calibration_that_was_latched_before_the_node_came_is_taken',
)  # fmt: skip


# -- tf ------------------------------------------------------------------------------------------


@fault('tf', 'a rotation of length zero, or of NaN', 'no metric output: must be a quaternion')
def tf_no_quaternion(kit):
    for turn in ((0, 0, 0, 0), (math.nan, 0, 0, 1), (1e200, 0, 0, 0)):
        refused(CalibrationError, 'quaternion', MountingPose.from_transform, (0, 0, 1), turn)


@fault('tf', 'a translation of NaN or infinity', 'no metric output: must be finite')
def tf_not_finite(kit):
    for z in (math.nan, math.inf):
        refused(CalibrationError, 'finite', MountingPose.from_transform, (0, 0, z), (0, 0, 0, 1))


@fault('tf', 'the camera lies below the ground', 'no metric output, with its height')
def tf_below_ground(kit):
    transform = MountingPose.from_transform
    refused(CalibrationError, '-0.5 m above the ground', transform, (0, 0, -0.5), (0, 0, 0, 1))


covered(
    'tf', 'tf_not_installed', 'tf is asked for without tf2_ros', 'refused: what to install',
    'test/ros/test_calibration.py::test_asking_for_tf_without_tf2_ros_is_refused',
)  # fmt: skip
covered(
    'tf', 'tf_late', 'the transform comes later than its image', 'the newest one is taken',
    'test/ros/test_calibration.py::test_the_pose_is_that_of_the_images_stamp_or_the_newest_where_tf_lags',
)  # fmt: skip
covered(
    'tf', 'tf_trembles', 'the transform trembles', 'one table, not one for each image',
    'test/ros/test_calibration.py::test_a_camera_that_moved_in_tf_gets_new_tables_and_one_that_trembles_does_not',
)  # fmt: skip
