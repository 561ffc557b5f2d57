# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is measured in metres: by the calibration and the true grids of a bag."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import GroundConfig, PipelineConfig, replace
from mfaranet_ros.core.frame import Frame, GroundGrid, Output
from mfaranet_ros.evaluation.metrics.counts import NOWHERE
from mfaranet_ros.evaluation.metrics.ground import band_image, boundary_of
from mfaranet_ros.evaluation.metrics.metric import BANDS_M, count_boundary
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.ground_source import FixedGround
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.build import build_processor

SIZE = (64, 96)
CAMERA = CameraModel(96, 64, 80.0, 80.0, 47.5, 31.5)
HEIGHT_M, AHEAD_M, PITCH_RAD = 1.4, 0.5, 0.1
POSE = MountingPose.from_xyz_rpy(AHEAD_M, 0, HEIGHT_M, 0, PITCH_RAD, 0)
SETTINGS = {
    'runtime.backend': 'mock', 'runtime.precision': 'float32', 'model.labels': 'camvid',
    'input.height': 64, 'input.width': 96, 'ground.resolution': 0.2, 'ground.x_max': 30.0,
}  # fmt: skip


@pytest.fixture(scope='module')
def grid():
    """What the pipeline itself finds, with the mock."""
    config = replace(PipelineConfig(), SETTINGS)
    ground = FixedGround(GroundProjection(CAMERA, POSE, config.ground, SIZE))
    pipeline = build_processor(config, ground=ground)
    frame = Frame(np.zeros((*SIZE, 3), np.uint8), 'rgb8', 0, 'camera')
    return pipeline(frame, {Output.GRID}).drivable.grid


@pytest.fixture
def score(street, write_bag, message, header, tmp_path):
    """Evaluate the street with its calibration, with these grids as ground truth."""

    def run(grids, *arguments, mounted=True, more=()):
        messages = [('/front/camera_info', 0, camera_info(message, header(0)))]
        if mounted:
            messages.append(('/tf_static', 0, mounting(message, header(0, 'base_link'))))
        messages += [*street.messages(), *more]
        for cells, stamp_ns in zip(grids, street.stamps, strict=False):
            told = occupancy_grid(message, header(stamp_ns, 'base_link'), cells)
            messages.append(('/truth/grid', stamp_ns + 2000, told))
        messages.sort(key=lambda each: each[1])
        bag = write_bag(tmp_path / 'bag', messages, 'mcap')
        settings = [f'--set={name}={value}' for name, value in SETTINGS.items()]
        given = [
            '--bag',
            bag,
            '--ground-truth-topic',
            '/truth/labels',
            '--json',
            tmp_path / 'a.json',
        ]
        code = main(['evaluate', *map(str, given), *settings, *arguments])
        return code, json.loads((tmp_path / 'a.json').read_text()) if not code else None

    return run


def camera_info(message, head):
    k = np.array([CAMERA.fx, 0, CAMERA.cx, 0, CAMERA.fy, CAMERA.cy, 0, 0, 1.0])
    p = np.insert(k.reshape(3, 3), 3, 0, axis=1).reshape(-1)
    roi = message('RegionOfInterest', 0, 0, 0, 0, False)
    return message(
        'CameraInfo', head, *SIZE, 'plumb_bob', np.zeros(5), k, np.eye(3).reshape(-1), p, 0, 0, roi
    )


def mounting(message, head):
    """The pose of the optical frame: quaternion of its rotation matrix."""
    matrix = np.array(POSE.rotation).reshape(3, 3)
    vector, _ = cv2.Rodrigues(matrix)
    angle = float(np.linalg.norm(vector))
    x, y, z = (vector.ravel() / angle * np.sin(angle / 2)).tolist()
    turn = message('Quaternion', x, y, z, float(np.cos(angle / 2)))
    move = message('Vector3', *POSE.position_m)
    transform = message('TransformStamped', head, 'camera', message('Transform', move, turn))
    return message('TFMessage', [transform])


def occupancy_grid(message, head, grid):
    rows, columns = grid.cells.shape
    origin = message(
        'Pose',
        message('Point', grid.x_min_m, grid.y_min_m, 0.0),
        message('Quaternion', 0.0, 0.0, 0.0, 1.0),
    )
    info = message('MapMetaData', head.stamp, grid.resolution_m, columns, rows, origin)
    return message('OccupancyGrid', head, info, grid.cells.reshape(-1))


def test_its_own_grid_is_found_whole(score, grid):
    code, found = score([grid] * 5, '--grid-topic', '/truth/grid')
    assert code == 0
    metric = found['measures']['metric']
    for band in metric['bands']:
        assert band['free_iou'] in (1.0, None)
        assert band['occluded_cells_marked_free'] == 0
    near = metric['bands'][0]
    assert near['free_iou'] == 1.0
    assert near['boundary_vertices'] > 500
    assert near['boundary_error_m']['p95'] <= 0.4  # two cells; farther off a pixel spans more
    assert found['parts'][0]['measures']['metric'] == metric
    assert found['parts'][0]['source']['pairing'][1]['paired'] == 5


@pytest.fixture
def score_folder(street, tmp_path):
    """Evaluate the street as images with a calibration file and files of true grids."""

    def run(grids, *arguments):
        images, ground_truth = street.folders(tmp_path / 'folders')
        head = SimpleNamespace(stamp=None, frame_id='camera')
        info = camera_info(lambda name, *values: values, head)
        (tmp_path / 'calibration.yaml').write_text(yaml.safe_dump(calibration(info)))
        (tmp_path / 'metric').mkdir()
        for grid, image in zip(grids, sorted(images.iterdir()), strict=False):
            np.savez(
                tmp_path / 'metric' / f'{image.stem}.npz', cells=grid.cells,
                resolution_m=grid.resolution_m, corner_m=np.array((grid.x_min_m, grid.y_min_m)),
            )  # fmt: skip
        given = {
            'images': images, 'ground-truth': ground_truth, 'metric': tmp_path / 'metric',
            'calibration': tmp_path / 'calibration.yaml', 'json': tmp_path / 'b.json',
        }  # fmt: skip
        settings = {
            **SETTINGS,
            'ground.x': AHEAD_M,
            'ground.z': HEIGHT_M,
            'ground.pitch': PITCH_RAD,
        }
        flags = [f'--{name}={value}' for name, value in given.items()]
        flags += [f'--set={name}={value}' for name, value in settings.items()]
        code = main(['evaluate', *flags, *arguments])
        return code, json.loads((tmp_path / 'b.json').read_text()) if not code else None

    return run


def calibration(info):
    """Return what the camera_calibration tool writes."""
    _, height, width, model, d, k, r, p, *_ = info

    def matrix(values, rows):
        return {'rows': rows, 'cols': len(values) // rows, 'data': [float(v) for v in values]}

    return {
        'image_width': width, 'image_height': height, 'camera_name': 'camera',
        'distortion_model': model, 'distortion_coefficients': matrix(d, 1),
        'camera_matrix': matrix(k, 3), 'rectification_matrix': matrix(r, 3),
        'projection_matrix': matrix(p, 3),
    }  # fmt: skip


def test_folder_with_calibration_and_grids_measures_as_the_bag(score, score_folder, grid):
    cells = np.roll(grid.cells, 3, axis=1)
    moved = GroundGrid(cells, grid.resolution_m, grid.x_min_m, grid.y_min_m)
    grids = [grid, moved, grid, moved, grid]
    _, by_bag = score(grids, '--grid-topic', '/truth/grid')
    code, by_folder = score_folder(grids)
    assert code == 0
    for name in ('distance', 'metric', 'flicker', 'confidence_calibration'):
        assert by_folder['measures'][name] == by_bag['measures'][name]
    assert 0 < by_folder['measures']['metric']['to_20_m']['free_iou'] < 1


def test_a_image_without_its_grid_is_refused(score_folder, grid, capsys):
    assert score_folder([grid] * 4)[0] == 2
    assert '1700000000.400000000.npz cannot be read' in capsys.readouterr().err


def test_true_boundary_of_a_topic_is_taken(score, street, grid, message, header):
    """A boundary that is 1 m nearer than the grid says: every vertex is off by about that."""

    def polygon(stamp_ns):
        points = boundary_of(grid, (AHEAD_M, 0.0)) - (AHEAD_M, 0.0)
        range_m = np.hypot(*points.T)[:, None]
        nearer = points * (range_m - 1) / range_m + (AHEAD_M, 0.0)
        vertices = [message('Point32', x, y, 0.0) for x, y in nearer.tolist()]
        return message(
            'PolygonStamped', header(stamp_ns, 'base_link'), message('Polygon', vertices)
        )

    more = [('/truth/boundary', stamp + 3000, polygon(stamp)) for stamp in street.stamps]
    given = ('--grid-topic', '/truth/grid', '--boundary-topic', '/truth/boundary')
    _, found = score([grid] * 5, *given, more=more)
    near = found['measures']['metric']['bands'][0]
    assert near['boundary_error_m']['p50'] == pytest.approx(1.0, abs=0.2)
    assert near['free_iou'] == 1.0


def test_free_cells_that_are_missed_cost_what_they_must(score, grid):
    cells = grid.cells.copy()
    free = np.flatnonzero(cells == 0)
    cells.reshape(-1)[free[::2]] = 100
    wrong = GroundGrid(cells, grid.resolution_m, grid.x_min_m, grid.y_min_m)
    _, found = score([grid, wrong], '--grid-topic', '/truth/grid')
    truly_free = len(free) + np.count_nonzero(cells == 0)
    both = found['measures']['metric']['to_40_m']['free_iou']
    assert both == pytest.approx(truly_free / (2 * len(free)))


def test_scores_in_the_image_are_divided_by_distance(score):
    _, found = score([])
    bands = found['measures']['distance']
    assert [band['to_m'] for band in bands] == [*BANDS_M[:-1], None]
    ground_of = GroundProjection(CAMERA, POSE, GroundConfig(), SIZE).ground_of
    pixels = np.stack(np.meshgrid(np.arange(96.0), np.arange(64.0)), axis=-1).reshape(-1, 2)
    range_m = np.hypot(*(ground_of(pixels) - (AHEAD_M, 0)).T)
    for band in bands:
        inside = (range_m > band['from_m']) & (range_m <= (band['to_m'] or np.inf))
        assert (
            0 <= 5 * inside.sum() - band['pixels'] <= 3 * 96
        )  # one ground truth has void at its foot
    assert sum(band['pixels'] for band in bands) < found['scores']['pixels']
    whole = found['measures']['flicker']['all_pixels']
    assert whole / 2 < sum(band['flicker']['all_pixels'] for band in bands) < whole
    assert all(band['ece'] is not None for band in bands)


def test_distance_is_that_of_flat_ground():
    """A level camera at height h sees the ground v pixels below its axis at h * f / v."""
    pose = MountingPose.from_xyz_rpy(2.0, 0, HEIGHT_M, 0, 0, 0)
    bands = band_image(GroundProjection(CAMERA, pose, GroundConfig(), SIZE))
    below = np.arange(64) - CAMERA.cy
    assert (bands[below <= 0] == NOWHERE).all()
    ahead_m = HEIGHT_M * CAMERA.fy / below[below > 0]
    range_m = ahead_m * np.hypot(1, 0.5 / CAMERA.fx)  # of the column beside the axis
    assert bands[below > 0, 48].tolist() == np.searchsorted(BANDS_M, range_m).tolist()


def test_without_transform_the_settings_tell_the_mounting(score, capsys):
    given = ('--set=ground.x=0.5', '--set=ground.z=1.4', '--set=ground.pitch=0.1')
    _, by_settings = score([], *given, mounted=False)
    assert 'the mounting is that of ground.x' in capsys.readouterr().out
    assert by_settings['measures']['distance'][1]['pixels'] > 0


def test_a_grid_that_lies_elsewhere_is_refused(score, grid, capsys):
    code, _ = score([grid] * 5, '--grid-topic', '/truth/grid', '--set=ground.x_max=20')
    assert code == 2
    error = capsys.readouterr().err
    assert '--set ground.x_max=30' in error
    assert '--set ground.resolution=0.2' in error


def test_boundary_is_read_off_a_grid():
    """All is free from 2 m to 10 m ahead, but for a box; behind it nothing is seen."""
    cells = np.full((200, 200), -1, np.int8)  # 20 m x 20 m, the camera in the middle of one side
    cells[:, 20:100] = 0
    cells[95:105, 50:60] = 100
    grid = GroundGrid(cells, 0.1, 0.0, -10.0)
    found = boundary_of(grid, (0.0, 0.0))
    angles = np.arctan2(found[:, 1], found[:, 0])
    assert (np.diff(angles) > 0).all()
    ahead = found[np.abs(angles) < 0.05]
    assert ahead[:, 0] == pytest.approx(5.0, abs=0.03)
    aside = found[(np.abs(angles) > 0.2) & (np.abs(angles) < 0.7)]
    assert aside[:, 0] == pytest.approx(10.0, abs=0.03)
    counts = count_boundary(found[::20], found)
    assert counts.between(0.0, 20.0).boundary_error_m(95) <= 0.01
