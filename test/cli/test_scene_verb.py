# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet scene`: what it writes is what the other tools read."""

import json

import cv2
import numpy as np
import pytest

from mfaranet_ros.benchmark.ground import camera_model, mounting_pose
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.settings import replace
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.calibration_file import read_calibration
from mfaranet_ros.data.image_sources import ImageFolder
from mfaranet_ros.data.synthetic_writer import START_NS
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.grid import GridExtent
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

GIVEN = (
    '--frames', '2', '--size', '96x128', '--seed', '5', '--set', 'people=2',
    '--camera', 'pitch=0.1', '--grid', '0,20,-5,5,0.5',
)  # fmt: skip
FX = SceneCamera().fx * 128 / 480


@pytest.fixture(scope='module')
def ground_truths():
    """The two frames and their ground truth, from the drive itself."""
    camera = SceneCamera(128, 96, fx=FX, pitch=0.1)
    drive = SyntheticScene(5, replace(SceneOptions(), {'people': 2.0}), camera)
    finder = MetricGroundTruthFinder(drive, GridExtent(0, 20, -5, 5, 0.5))
    return drive, [(drive.frame(index), finder.at(index)) for index in range(2)]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('scene') / 'out'
    assert main(['scene', '--out', str(path), '--json', str(path.parent / 'f.json'), *GIVEN]) == 0
    return path


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('scene') / 'bag'
    assert main(['scene', '--bag', '--out', str(path), *GIVEN]) == 0
    return path


def test_the_folder_is_played_with_its_ground_truth_and_calibration(folder, ground_truths):
    drive, frames = ground_truths
    images = list(ImageFolder(folder / 'images'))
    for image, (frame, _) in zip(images, frames, strict=True):
        np.testing.assert_array_equal(image.pixels[..., ::-1], frame.rgb)
        np.testing.assert_array_equal(image.ground_truth, frame.labels)
    camera_info = read_calibration(folder / 'calibration.yaml')
    assert read_camera_info(camera_info) == camera_model(drive.camera)


def test_the_folder_holds_the_ground_truth_in_metres_and_the_poses(folder, ground_truths):
    drive, frames = ground_truths
    for index, (frame, ground_truth) in enumerate(frames):
        with np.load(folder / 'metric' / f'{index:06}.npz') as found:
            np.testing.assert_array_equal(found['cells'], ground_truth.grid.cells)
            np.testing.assert_array_equal(found['hidden'], ground_truth.hidden)
            np.testing.assert_array_equal(found['boundary_m'], ground_truth.boundary_m)
            assert (found['resolution_m'], *found['corner_m']) == (0.5, 0, -5)
        about = json.loads((folder / 'scene.json').read_text())
        pose = about['poses_of_base_link_in_the_world'][index]
        assert (pose['x_m'], pose['stamp_ns']) == (frame.pose.x_m, frame.stamp_ns)
    assert (about['seed'], about['options']['people']) == (5, 2)
    assert about['mounting']['ground.z'] == drive.camera.z
    assert json.loads((folder.parent / 'f.json').read_text())['frames'] == 2


def test_the_bag_holds_the_camera_and_the_ground_truth(bag, ground_truths):
    drive, frames = ground_truths
    with open_bag(bag) as opened:
        found = {}
        for item in opened.messages():
            found.setdefault(item.topic.name, []).append(item)
    assert {name: len(items) for name, items in found.items()} == {
        '/tf_static': 1, '/camera/image_raw': 2, '/camera/camera_info': 2, '/truth/labels': 2,
        '/truth/grid': 2, '/truth/boundary': 2,
    }  # fmt: skip
    for index, (frame, ground_truth) in enumerate(frames):
        image = decode(found['/camera/image_raw'][index].message)
        assert image.stamp_ns == START_NS + frame.stamp_ns
        np.testing.assert_array_equal(image.pixels, frame.rgb)
        labels = decode(found['/truth/labels'][index].message).pixels[..., 0]
        np.testing.assert_array_equal(labels, frame.labels)
        grid = found['/truth/grid'][index].message
        np.testing.assert_array_equal(grid.data.reshape(20, 40), ground_truth.grid.cells)
        assert grid.header.frame_id == 'base_link'
    camera_info = found['/camera/camera_info'][0].message
    assert read_camera_info(camera_info) == camera_model(drive.camera)
    (transform,) = found['/tf_static'][0].message.transforms
    place, turn = transform.transform.translation, transform.transform.rotation
    pose = MountingPose.from_transform(
        (place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w)
    )
    expected = mounting_pose(drive.camera)
    assert pose.position_m == expected.position_m
    np.testing.assert_allclose(pose.rotation, expected.rotation, atol=1e-12)


def test_what_is_there_is_replaced_only_when_asked(folder, capsys):
    file = folder / 'labels' / '000001.png'
    again = ['scene', '--out', str(folder), '--grid', 'none', '--size', '48x64', '--frames', '1']
    assert main(again) == 2
    assert 'or --overwrite' in capsys.readouterr().err
    assert cv2.imread(str(file), cv2.IMREAD_UNCHANGED).shape == (96, 128)
    copy = folder.parent / 'copy'
    for _ in range(2):
        assert main([*again[:2], str(copy), *again[3:], '--overwrite', '--format', 'jpg']) == 0
    assert sorted(path.name for path in (copy / 'images').iterdir()) == ['000000.jpg']
    assert not (copy / 'metric').exists()


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        (('--set', 'rian=1'), "did you mean 'rain'"),
        (('--set', 'rain=3'), '0 to 1'),
        (('--camera', 'pich=0.1'), "did you mean 'pitch'"),
        (('--camera', 'fx=0'), 'focal length'),
        (('--camera', 'z=-2'), 'above the ground'),
        (('--camera', 'pitch=-1.4'), 'sees no ground'),
        (('--camera', 'x=90'), 'sees no ground inside the grid'),
        (('--grid', '0,1e6,-10,10,0.1'), '2,000,000,000 cells'),
        (('--grid', '0,40,-10,10'), 'x_min,x_max,y_min,y_max,resolution'),
        (('--grid', '0,40,-10,10,0'), 'resolution positive'),
        (('--size', '0x10'), 'HEIGHTxWIDTH'),
        (('--frames', '0'), 'the scene has 1 to 200'),
        (('--frames', '201'), '--set duration_s=SECONDS'),
    ],
)
def test_what_cannot_be_is_one_clear_line(given, words, tmp_path, capsys):
    assert main(['scene', '--out', str(tmp_path / 'out'), *given]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count('\n') == 1
    assert not (tmp_path / 'out').exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / 'file').write_text('')
    for bag in ((), ('--bag',)):
        out = str(tmp_path / 'file' / 'out')
        assert main(['scene', '--out', out, '--frames', '1', '--grid', 'none', *bag]) == 2
