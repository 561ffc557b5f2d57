# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames of the scene: the same always, true to the world, and as asked for."""

import hashlib

import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.labels import CAMVID, CITYSCAPES
from mfaranet_ros.core.settings import replace, settings_of
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.kinds import Kind, label_table
from mfaranet_ros.scenes.options import PRESETS, SceneOptions, preset
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

FISHEYE = SceneCamera(
    160, 120, fx=52.0, model='equidistant', coefficients=(-0.02, 0.003, -0.001, 0.0001)
)
BARREL = (-0.3, 0.1, 0.001, -0.002, 0.01)
CAMERAS = {
    'ahead': SceneCamera(160, 120, fx=157.0),
    'behind': SceneCamera(160, 120, fx=157.0, yaw=3.1416, pitch=0.1, x=-1.0),
    'aside': SceneCamera(160, 120, fx=150.0, yaw=1.3, roll=0.4, pitch=0.2, coefficients=BARREL),
    'fisheye': FISHEYE,
}


def options(**values):
    return replace(SceneOptions(), values)


def digest(*arrays):
    result = hashlib.sha256()
    for array in arrays:
        result.update(np.ascontiguousarray(array).tobytes())
    return result.hexdigest()


# NumPy 1.26 with OpenCV 4.10 and NumPy 2.4 with OpenCV 5.0 agree on them, AVX or not.
HASHES = {
    ('ahead', 0): '33031811cb3d3cc0dc5a41d469a251054085defc5854b3860c4d29fa93301341',
    ('fisheye', 150): '5041baf9f84a939c64348cd6127bbaa19e4e3837fffee9c4dc3d62187a0b4276',
}


@pytest.mark.parametrize(('camera', 'index'), HASHES, ids=str)
def test_every_machine_draws_the_same(camera, index):
    frame = SyntheticScene(7, options(labels='camvid'), CAMERAS[camera]).frame(index)
    assert digest(frame.rgb, frame.labels, frame.depth_m) == HASHES[camera, index]


def test_a_frame_does_not_depend_on_those_before(scene, frame, small):
    scene.frame(41)
    fresh, again = SyntheticScene(seed=3, camera=small).frame(40), scene.frame(40)
    for other in (fresh, again):
        assert (other.rgb == frame.rgb).all()
        assert (other.labels == frame.labels).all()
        assert (other.depth_m == frame.depth_m).all()
        assert other.pose == frame.pose


def test_another_seed_is_another_road(frame, small):
    other = SyntheticScene(seed=4, camera=small).frame(40)
    assert (other.labels != frame.labels).mean() > 0.1
    assert other.pose != frame.pose


@pytest.mark.parametrize('name', CAMERAS)
def test_labels_and_depth_are_what_rays_meet(name):
    camera = CAMERAS[name]
    scene = SyntheticScene(seed=3, camera=camera)
    frame = scene.frame(90)
    rays = camera.rays()
    hits = scene.snapshot(90).cast(scene.eye(90), frame.pose.turn(rays).reshape(-1, 3))
    met = hits.kinds.reshape(frame.labels.shape)
    assert (label_table('cityscapes')[met] == frame.labels).mean() > 0.9995  # rounding at outlines
    depth = hits.distance.reshape(met.shape) * (rays @ camera.rotation[:, 2])
    same = np.isclose(depth, frame.depth_m, rtol=1e-3)
    assert same.mean() > 0.9995
    assert (np.isinf(frame.depth_m) == (met == Kind.SKY)).mean() > 0.9995


def test_depth_of_the_road_is_that_of_a_plane(frame, small):
    rows = (np.arange(small.height) - small.cy) / small.fy
    expected = small.z / np.where(rows > 0, rows, np.nan)
    road = frame.labels == CITYSCAPES.names.index('road')
    assert road.mean() > 0.2
    wanted = np.broadcast_to(expected[:, None], road.shape)[road]
    np.testing.assert_allclose(frame.depth_m[road], wanted, rtol=1e-5)


def test_all_classes_occur(small):
    scenes = [
        SyntheticScene(seed, options(labels=name), small)
        for name in ('camvid', 'cityscapes')
        for seed in (0, 1)
    ]
    seen = {scene.label_set: set() for scene in scenes}
    for scene in scenes:
        for index in range(0, 200, 28):
            seen[scene.label_set] |= set(np.unique(scene.frame(index).labels).tolist())
    assert seen['camvid'] == set(range(len(CAMVID)))
    absent = {CITYSCAPES.names[i] for i in set(range(len(CITYSCAPES))) - seen['cityscapes']}
    assert absent <= {'train', 'motorcycle', 'truck', 'bus'}


def test_a_drive_has_its_frames(scene):
    assert len(scene) == 200
    assert [scene.stamp_ns(i) for i in (0, 1, 199)] == [0, 100_000_000, 19_900_000_000]
    for index in (-1, 200):
        with pytest.raises(ConfigError, match='has frames 0 to 199'):
            scene.frame(index)


LOOKS = {
    'sun_azimuth_deg': 90.0, 'sun_elevation_deg': 15.0, 'shadow': 0.0, 'haze_m': 100.0,
    'exposure': 1.5, 'noise': 8.0, 'blur': 2.0, 'rain': 1.0, 'dusk': 1.0,
}  # fmt: skip


@pytest.mark.parametrize('name', LOOKS)
def test_light_and_weather_change_the_image_only(name, frame, small):
    other = SyntheticScene(3, options(**{name: LOOKS[name]}), small).frame(40)
    assert np.abs(other.rgb.astype(int) - frame.rgb).mean() > 0.5
    assert (other.labels == frame.labels).all()
    assert (other.depth_m == frame.depth_m).all()


@pytest.mark.parametrize(
    ('name', 'value'),
    [('side', 'right'), ('curvature', 0.0), ('speed_mps', 4.0), ('parked', 0.0), ('traffic', 0.0),
     ('people', 0.0), ('trees', 0.0)],
)  # fmt: skip
def test_options_of_the_world_change_it(name, value, frame, small):
    other = SyntheticScene(3, options(**{name: value}), small).frame(40)
    assert (other.labels != frame.labels).any()


@pytest.mark.parametrize(
    ('name', 'error', 'says'),
    [('rian', UnknownNameError, "did you mean 'rain'"), ('rain', ConfigError, '0 to 1')],
)
def test_wrong_options_are_refused(name, error, says):
    with pytest.raises(error, match=says):
        options(**{name: 7.0})


@pytest.mark.parametrize('name', PRESETS)
def test_presets_are_drawn(name, frame, small):
    other = SyntheticScene(3, preset(name), small).frame(40)
    assert (name == 'default') == bool((other.rgb == frame.rgb).all())


def test_an_unknown_preset_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'dusk'"):
        preset('dask')


ENDS = [
    (setting.name, end)
    for setting in settings_of(SceneOptions)
    for end in (setting.rule.low, setting.rule.high)
    if end is not None
]


@pytest.mark.parametrize(('name', 'value'), ENDS)
def test_options_are_drawn_at_the_ends_of_their_ranges(name, value):
    scene = SyntheticScene(5, options(**{name: value}), SceneCamera(32, 24, fx=31.0))
    frame = scene.frame(len(scene) - 1)
    assert (frame.labels < len(CITYSCAPES)).all()
