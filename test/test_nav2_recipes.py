# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The Nav2 recipes of docs/consumers.md against Nav2's rules.

The rules are written from Nav2's sources, branches humble to lyrical: ObstacleLayer,
ObservationBuffer, StaticLayer, validate_messages and the point clouds of the collision monitor.
Labels are the true ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from mfaranet_ros.core.config import DrivableConfig, GroundConfig
from mfaranet_ros.core.frame import METRIC_OUTPUTS
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.pipeline.style import parse_remap
from mfaranet_ros.pipeline.topics import OUTPUT_TOPICS

DOCUMENT = Path(__file__).parents[1] / 'docs' / 'consumers.md'
FREE, LETHAL, UNKNOWN = 0, 254, 255
RESOLUTION_M, SIDE_M = 0.1, 50.0
PITCHES_DEG = [-1.0, -0.2, 0.0, 0.2, 1.0]


def recipe(name):
    """Return the settings of a recipe as a dictionary."""
    blocks = re.findall(r'```yaml\n# recipe: ([^\n]*)\n(.*?)```', DOCUMENT.read_text(), re.DOTALL)
    return yaml.safe_load(dict(blocks)[name])


def costmap_of(name):
    return recipe(name)['local_costmap']['local_costmap']['ros__parameters']


@pytest.fixture(scope='module')
def view(street, make_camera, roles):
    """The street from a camera 1.5 m high, and what is found in it."""
    camera, pose = make_camera('pinhole'), MountingPose.from_xyz_rpy(1.5, 0.0, 1.5, 0.0, 0.03, 0.0)
    ground = GroundProjection(camera, pose, GroundConfig(), camera.size)
    labels = street.labels(camera, pose)
    found, _ = find_drivable(labels, None, roles, DrivableConfig(), METRIC_OUTPUTS, ground)
    return SimpleNamespace(street=street, pose=pose, ground=ground, found=found)


def pitched(points, degrees):
    """Return points of the base frame in a global frame in which the vehicle is pitched."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y, z = np.asarray(points, np.float64).reshape(-1, 3).T
    return np.column_stack((c * x + s * z, y, c * z - s * x))


@dataclass
class ObstacleLayer:
    """Nav2's obstacle layer in a rolling costmap around a vehicle at the origin."""

    costmap: dict
    cells: np.ndarray = field(init=False)

    def __post_init__(self):
        side = int(SIDE_M / RESOLUTION_M)
        default = UNKNOWN if self.costmap.get('track_unknown_space', False) else FREE
        self.cells = np.full((side, side), default, np.uint8)
        self.layer = self.costmap['obstacle_layer']

    def cell(self, xy):
        return np.floor((np.asarray(xy) + SIDE_M / 2) / RESOLUTION_M).astype(int)

    def update(self, clouds, origins):
        """Clear along the rays of clearing sources, then mark the points of marking ones."""
        sources = {name: self.layer[name] for name in self.layer['observation_sources'].split()}
        kept = {}
        for name, source in sources.items():
            z = clouds[source['topic']][:, 2]
            low, high = (source.get(f'{end}_obstacle_height', 0.0) for end in ('min', 'max'))
            kept[name] = clouds[source['topic']][(z >= low) & (z <= high)]
        for name, source in sources.items():
            if source.get('clearing', False):
                self._clear(kept[name], origins[source.get('sensor_frame', '')], source)
        for name, source in sources.items():
            if source.get('marking', True):
                self._mark(kept[name], origins[source.get('sensor_frame', '')], source)

    def _mark(self, points, origin, source):
        low = self.layer.get('min_obstacle_height', 0.0)
        high = self.layer.get('max_obstacle_height', 2.0)
        points = points[(points[:, 2] >= low) & (points[:, 2] <= high)]
        cells = self.cell(points[:, :2])
        away = np.hypot(*(cells - self.cell(origin)).T).astype(int)
        cells = cells[away <= source.get('obstacle_max_range', 2.5) / RESOLUTION_M]
        self.cells[tuple(cells.T)] = LETHAL

    def _clear(self, points, origin, source):
        begin = source.get('raytrace_min_range', 0.0)
        end = source.get('raytrace_max_range', 3.0)
        for point in points[:, :2]:
            ahead = point - origin
            range_m = math.hypot(*ahead)
            steps = np.arange(begin, min(range_m, end), RESOLUTION_M / 4)
            cells = self.cell(origin + steps[:, None] * ahead / range_m)
            self.cells[tuple(cells.T)] = FREE
            if range_m <= end:
                self.cells[tuple(self.cell(point))] = FREE


def run(view, costmap, degrees):
    clouds = {
        '/segmentation/drivable/points': view.found.points.xyz_m,
        '/segmentation/drivable/obstacles': view.found.points.xyz_m[: view.found.points.feet],
        '/segmentation/drivable/free_rim': view.found.free_rim.xyz_m,
    }
    layer = ObstacleLayer(costmap)
    layer.update(
        {topic: pitched(points, degrees) for topic, points in clouds.items()},
        {'': np.zeros(2), 'camera_optical_frame': np.array(view.pose.position_m[:2])},
    )
    return layer


def near_feet(view):
    points = view.found.points
    feet = points.xyz_m[: points.feet, :2]
    return feet[np.hypot(*feet.T) < 19.5]


@pytest.mark.parametrize('degrees', PITCHES_DEG)
def test_every_foot_in_range_is_lethal_whatever_the_pitch(view, degrees):
    layer = run(view, costmap_of('obstacle layer'), degrees)
    feet = near_feet(view)
    assert len(feet) > 100
    xyz = pitched(np.column_stack((feet, np.zeros(len(feet)))), degrees)
    assert (layer.cells[tuple(layer.cell(xyz[:, :2]).T)] == LETHAL).all()


@pytest.mark.parametrize('degrees', [-0.2, 0.2])
def test_the_default_heights_of_source_and_layer_mark_nothing(view, degrees):
    costmap = costmap_of('obstacle layer')
    for part in (costmap['obstacle_layer'], *costmap['obstacle_layer'].values()):
        if isinstance(part, dict):
            part.pop('max_obstacle_height', None)
    costmap['obstacle_layer'].pop('min_obstacle_height')
    assert not (run(view, costmap, degrees).cells == LETHAL).any()


def test_the_rim_of_the_road_is_not_lethal(view):
    layer = run(view, costmap_of('obstacle layer'), 0.0)
    feet = view.found.points.xyz_m[: view.found.points.feet, :2]
    rim = view.found.free_rim.xyz_m[:, :2]
    rim = rim[np.hypot(*rim.T) < 20.0]
    apart_m = np.hypot(*(rim[:, None] - feet[None]).transpose(2, 0, 1)).min(axis=1)
    alone = rim[apart_m > 0.3]
    assert len(alone) > 20
    assert not (layer.cells[tuple(layer.cell(alone).T)] == LETHAL).any()


def centres_of(cells):
    return (cells + 0.5) * RESOLUTION_M - SIDE_M / 2


def test_nothing_is_free_that_was_not_seen(view):
    layer = run(view, costmap_of('obstacle layer'), 0.0)
    free = centres_of(np.argwhere(layer.cells == FREE))
    assert len(free) > 2000
    pixels, valid = view.ground.pixel_of(np.column_stack((free, np.zeros(len(free)))))
    seen = valid & view.ground.camera.inside(pixels) & ~view.street.is_hidden(free, view.pose)
    is_free = seen & view.street.is_road(free)
    near = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]) * 3 * RESOLUTION_M
    beside = np.zeros(len(free), bool)  # what is within three cells of ground that is free
    for shift in near:
        moved = free + shift
        beside |= view.street.is_road(moved) & ~view.street.is_hidden(moved, view.pose)
    assert is_free.mean() > 0.97
    assert beside.all()


def test_from_the_vehicles_centre_rays_would_cross_what_is_hidden(view):
    costmap = costmap_of('obstacle layer')
    del costmap['obstacle_layer']['camera_free']['sensor_frame']
    costmap['obstacle_layer']['camera_free']['raytrace_min_range'] = 0.0
    free = centres_of(np.argwhere(run(view, costmap, 0.0).cells == FREE))
    pixels, valid = view.ground.pixel_of(np.column_stack((free, np.zeros(len(free)))))
    assert (~(valid & view.ground.camera.inside(pixels))).sum() > 100


def test_without_track_unknown_space_unseen_ground_would_be_free(view):
    costmap = costmap_of('obstacle layer')
    assert (run(view, costmap, 0.0).cells == UNKNOWN).mean() > 0.5
    costmap['track_unknown_space'] = False
    assert not (run(view, costmap, 0.0).cells == UNKNOWN).any()


@pytest.mark.parametrize('name', ['obstacle layer', 'static layer'])
def test_both_costmaps_keep_unknown_space_and_roll(name):
    costmap = costmap_of(name)
    assert costmap['track_unknown_space'] is costmap['rolling_window'] is True


def test_sources_that_fall_silent_are_noticed():
    layer = costmap_of('obstacle layer')['obstacle_layer']
    for name in layer['observation_sources'].split():
        assert 0 < layer[name]['expected_update_rate'] <= 1  # a time in s


TOPICS = [
    ('obstacle layer', 'camera_obstacles'),
    ('obstacle layer', 'camera_free'),
]


@pytest.mark.parametrize(('name', 'source'), TOPICS)
def test_sensor_data_subscriptions_match_what_is_offered(name, source):
    topic = costmap_of(name)['obstacle_layer'][source]['topic']
    row = OUTPUT_TOPICS[topic.removeprefix('/segmentation/')]
    assert row.type_name == 'sensor_msgs/msg/PointCloud2'


def grid_message(view):
    return encode.occupancy_grid(view.found.grid, encode.header(5, GroundConfig().base_frame))


def test_the_grid_passes_the_check_of_maps(view):
    message = grid_message(view)
    turn = message.info.origin.orientation
    assert abs(turn.x**2 + turn.y**2 + turn.z**2 + turn.w**2 - 1) < 1e-4
    assert message.header.frame_id
    assert message.info.width * message.info.height == len(message.data) > 0
    assert math.isfinite(message.info.resolution)


def interpreted(value, track_unknown_space):
    """Return the cost of an occupancy, unsigned, by the rule of a trinary static layer."""
    if value == 255:
        return UNKNOWN if track_unknown_space else FREE
    return LETHAL if value >= 100 else FREE


def test_the_grids_values_become_free_lethal_and_unknown(view):
    costmap = costmap_of('static layer')
    values = np.unique(np.asarray(grid_message(view).data, np.int8)).astype(np.uint8).tolist()
    costs = {value: interpreted(value, costmap['track_unknown_space']) for value in values}
    assert costs == {0: FREE, 100: LETHAL, 255: UNKNOWN}


def test_the_bounds_of_humble_and_kilted_hold_the_grid_only_in_its_own_frame(view):
    """There the bounds of the grid in its own frame are taken for those in the global frame."""
    costmap, info = costmap_of('static layer'), grid_message(view).info
    assert costmap['global_frame'] == costmap['robot_base_frame'] == GroundConfig().base_frame

    def updated_share(vehicle_x):
        begin = info.origin.position.x
        end = begin + info.width * info.resolution
        wanted = vehicle_x + begin, vehicle_x + end
        return max(0.0, min(end, wanted[1]) - max(begin, wanted[0])) / (end - begin)

    assert updated_share(vehicle_x=0.0) == 1.0  # in base_link it always is at the origin
    assert updated_share(vehicle_x=100.0) == 0.0  # as in odom


def test_the_grid_comes_before_what_it_would_overwrite():
    assert costmap_of('static layer')['plugins'][0] == 'camera_grid'


def test_the_static_layer_asks_for_the_durability_that_is_offered():
    layer = costmap_of('static layer')['camera_grid']
    row = OUTPUT_TOPICS[layer['map_topic'].removeprefix('/segmentation/')]
    assert row.qos.latched is layer['map_subscribe_transient_local'] is True
    assert row.qos.reliable


@pytest.mark.parametrize('degrees', PITCHES_DEG)
def test_the_collision_monitor_keeps_every_foot_in_range(view, degrees):
    source = recipe('collision monitor')['collision_monitor']['ros__parameters']['camera']
    assert source['topic'].removeprefix('/segmentation/') in OUTPUT_TOPICS
    feet = near_feet(view)
    z = pitched(np.column_stack((feet, np.zeros(len(feet)))), degrees)[:, 2]
    assert ((z >= source['min_height']) & (z <= source['max_height'])).all()
    assert not (np.zeros(len(feet)) >= 0.05).any()  # the default of min_height keeps none


def test_a_lifecycle_manager_without_a_bond():
    assert '`bond_timeout: 0.0`' in DOCUMENT.read_text()


def test_the_remapped_classes_are_not_in_the_labels_of_the_semantic_layer():
    text = recipe('class remap')['/segmentation']['ros__parameters']['output']['class_remap']
    labels = get_label_set('cityscapes')
    remap = parse_remap(text, labels)
    listed = {each.class_name for each in encode.label_info(labels, remap, None).class_map}
    taken_out = {item.split('=')[0].strip() for item in text.split(',')}
    assert taken_out
    assert listed == set(labels.names) - taken_out
