# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The own vehicle in the image: unlabeled in masks, and out of view in metres."""

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.frame import METRIC_OUTPUTS, Frame, Output
from mfaranet_ros.core.labels import Role
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.pipeline.ego_mask import load_ego_mask

SIZE = (48, 64)
BONNET = '0,1 0,0.8 1,0.8 1,1'
MOCK = replace(PipelineConfig(), {'runtime.backend': 'mock', 'ground.resolution': 0.5})
FREE, BLOCKED, UNSEEN = 0, 100, -1


def ego_mask(**values):
    given = {f'input.{name}': value for name, value in values.items()}
    return load_ego_mask(replace(MOCK, given).input)


@pytest.fixture
def image_file(tmp_path):
    pixels = np.zeros(SIZE, np.uint8)
    pixels[40:] = 7
    path = tmp_path / 'bonnet.png'
    cv2.imwrite(str(path), pixels)
    return path


@pytest.fixture(scope='module')
def ground():
    camera = CameraModel(64, 48, 60.0, 60.0, 31.5, 23.5)
    pose = MountingPose.from_xyz_rpy(0.0, 0.0, 1.5, 0.0, 0.3, 0.0)
    return GroundProjection(camera, pose, MOCK.ground, SIZE)


def found(labels, ground, own):
    roles = np.zeros(256, np.uint8)
    roles[:2] = Role.DRIVABLE, Role.OBSTACLE
    wanted = METRIC_OUTPUTS | {Output.DRIVABLE_MASK}
    return find_drivable(labels, None, roles, MOCK.drivable, wanted, ground, own)[0]


def test_an_image_marks_what_is_not_black(image_file):
    own = ego_mask(ego_mask=str(image_file)).at(SIZE, SIZE)
    assert (own[:40] == 0).all()
    assert (own[40:] == 255).all()


def test_a_pixel_that_shows_any_of_the_own_vehicle_belongs_to_it(image_file):
    mask = ego_mask(ego_mask=str(image_file))
    small = mask.at((9, 12), (48, 64))  # 40 of 48 rows are 7.5 of 9
    assert np.flatnonzero(small[:, 0]).tolist() == [7, 8]
    assert np.flatnonzero(mask.at((96, 128), (96, 128))[:, 0]).min() == 80


def test_polygons_fit_images_of_every_size():
    mask = ego_mask(ego_polygon=f'{BONNET}; 0,0 0.25,0 0.25,0.25 0,0.25')
    for height, width in ((48, 64), (360, 480), (30, 200)):
        own = mask.at((height, width), (height, width)) > 0
        assert own.mean() == pytest.approx(0.2 + 0.0625, abs=0.05)
        assert own[-1].all()
        assert own[0, 0]
        assert not own[height // 2].any()


def test_image_and_polygon_are_joined(image_file):
    own = ego_mask(ego_mask=str(image_file), ego_polygon='0,0 1,0 1,0.1 0,0.1').at(SIZE, SIZE)
    assert own[0].all()
    assert own[45].all()
    assert not own[20].any()


def test_without_a_setting_there_is_no_mask():
    assert ego_mask() is None


def test_the_own_vehicle_is_unlabeled_and_without_confidence():
    processor = build_processor(replace(MOCK, {'input.ego_polygon': BONNET}))
    plain = build_processor(MOCK)
    frame = Frame(np.zeros((*SIZE, 3), np.uint8), 'rgb8', 0, 'camera')
    wanted = frozenset({Output.CONFIDENCE, Output.DRIVABLE_MASK})
    result, before = processor(frame, wanted), plain(frame, wanted)
    own = processor.ego_mask.at(SIZE, SIZE) > 0
    assert own.any()
    assert (result.labels[own] == 255).all()
    assert (result.confidence[own] == 0).all()
    assert (result.drivable.mask[own] == 127).all()
    np.testing.assert_array_equal(result.labels[~own], before.labels[~own])
    np.testing.assert_array_equal(result.confidence[~own], before.confidence[~own])


def test_a_bonnet_is_neither_free_nor_an_obstacle_and_free_space_begins_behind_it(ground):
    road = np.zeros(SIZE, np.uint8)
    own = ego_mask(ego_polygon=BONNET).at(SIZE, SIZE)
    plain, masked = found(road, ground, None), found(road | own, ground, own)
    pixels, valid = ground.pixel_of(
        np.column_stack((ground.layout.centres(), np.zeros(len(ground.layout.centres()))))
    )
    inside = valid & ground.camera.inside(pixels)
    pixels = np.floor(np.where(valid[:, None], pixels, 0) + 0.5).astype(int)
    hidden = np.zeros(len(inside), bool)
    hidden[inside] = own[pixels[inside, 1], pixels[inside, 0]] > 0
    hidden = hidden.reshape(ground.layout.shape)
    assert hidden.any()
    assert (masked.grid.cells[hidden] == UNSEEN).all()
    beside = cv2.dilate(hidden.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    np.testing.assert_array_equal(masked.grid.cells[~beside], plain.grid.cells[~beside])
    assert np.isin(masked.grid.cells[beside], (plain.grid.cells[beside].max(), UNSEEN)).all()
    assert not np.isin(np.flatnonzero(hidden), masked.evidence.in_view).any()
    np.testing.assert_allclose(masked.boundary_m, plain.boundary_m)
    assert (np.hypot(*masked.near_edge_m.T) > np.hypot(*plain.near_edge_m.T)).all()
    assert len(masked.points.labels) == len(plain.points.labels)
    assert np.isnan(masked.cloud_m[own > 0]).all()


def test_an_obstacle_whose_foot_the_bonnet_hides_stands_at_its_edge(ground):
    labels = np.ones(SIZE, np.uint8)
    own = ego_mask(ego_polygon=BONNET).at(SIZE, SIZE)
    masked = found(labels | own, ground, own)
    assert (masked.grid.cells != FREE).all()
    assert (masked.grid.cells == BLOCKED).any()
    assert masked.points.feet > 0


def test_an_image_of_other_proportions_fails_and_the_next_one_does_not(image_file):
    processor = build_processor(replace(MOCK, {'input.ego_mask': str(image_file)}))
    wide = Frame(np.zeros((48, 96, 3), np.uint8), 'rgb8', 0, 'camera')
    with pytest.raises(InferenceError, match='has 64x48 pixels, but the images have 96x48'):
        processor(wide)
    twice = Frame(np.zeros((96, 128, 3), np.uint8), 'rgb8', 0, 'camera')
    assert (processor(twice).labels[80:] == 255).all()


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        ({'ego_mask': 'missing.png'}, 'not an image file'),
        ({'ego_mask': __file__}, 'not an image file'),
        ({'ego_polygon': '0,0 1,1'}, 'has 2 corners, not 3 or more'),
        ({'ego_polygon': '0,0 1,1 0,1;'}, 'has 0 corners'),
        ({'ego_polygon': '0,0 1 0,1'}, "'1' is not X,Y"),
        ({'ego_polygon': '0,0 nan,1 0,1'}, "'nan,1' is not within 0 to 1"),
        ({'ego_polygon': '0,0 480,0 0,360'}, "'480,0' is not within 0 to 1"),
        ({'ego_polygon': '0,0 1,0 1,1 0,1'}, 'the whole image would be the own vehicle'),
    ],
)
def test_a_mask_that_cannot_be_is_refused(values, text):
    with pytest.raises(ConfigError, match=r'input\.ego_') as caught:
        build_processor(replace(MOCK, {f'input.{name}': value for name, value in values.items()}))
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


def test_an_empty_mask_is_refused(tmp_path):
    path = tmp_path / 'black.png'
    cv2.imwrite(str(path), np.zeros(SIZE, np.uint8))
    with pytest.raises(ConfigError, match='no pixel would be the own vehicle'):
        ego_mask(ego_mask=str(path))
