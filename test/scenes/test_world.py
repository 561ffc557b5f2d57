# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The world: its ground, its things, and what moves in it."""

import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.settings import replace
from mfaranet_ros.scenes.images.catalog import IMAGES, image
from mfaranet_ros.scenes.images.noise import fractal
from mfaranet_ros.scenes.kinds import Kind, label_table
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.patches import NEAREST, meetings, placed, seen_from
from mfaranet_ros.scenes.road import HALF_ROAD_M, PAVEMENT_M, Road
from mfaranet_ros.scenes.shapes import SHAPES, patches_of
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene
from mfaranet_ros.scenes.things import Pose, Thing
from mfaranet_ros.scenes.world import GROUND, SKY, Snapshot, World


def test_places_of_the_road_are_found_again():
    road = Road(seed=2, curvature=1.0, length_m=500.0)
    for s, offset in ((0.0, 0.0), (33.3, 2.0), (250.0, -5.0), (499.0, 7.0)):
        x, y, cosine, sine = road.pose(s, offset)
        found = road.coordinates(np.array([x]), np.array([y]))
        assert found[1] == pytest.approx(offset, abs=0.05)
        assert found[0] == pytest.approx(s, abs=abs(offset) / 3 + 0.01)
        assert cosine**2 + sine**2 == pytest.approx(1)


def test_the_length_of_the_road_is_that_of_its_middle():
    road = Road(seed=2, curvature=1.0, length_m=500.0)
    middle = np.array([road.pose(s, 0.0)[:2] for s in np.arange(0, 400, 0.5)])
    steps = np.linalg.norm(np.diff(middle, axis=0), axis=1)
    np.testing.assert_allclose(steps, 0.5, atol=2e-4)
    assert road.pose(0.0, 0.0)[:2] == (0.0, 0.0)


def test_a_frame_sees_the_road_where_the_world_has_it():
    road = Road(seed=2, curvature=1.0, length_m=500.0)
    pose = Pose(*road.pose(200.0, 1.65))
    places = np.random.default_rng(0).uniform((-100, -30), (300, 30), (500, 2))
    s, offset = road.coordinates(*pose.to_world(np.c_[places, np.zeros(500)]).T[:2])
    near = road.near(pose, 32.0).coordinates(*places.T.astype(np.float32))
    np.testing.assert_allclose(near[1], offset, atol=2e-3)
    turn = (near[0] - s) % 32.0
    assert np.minimum(turn, 32.0 - turn).max() < 2e-3


def test_ground_lies_in_bands_along_the_road():
    world = World(seed=1)
    edges = (0.5, HALF_ROAD_M - 0.05, HALF_ROAD_M + 0.05, HALF_ROAD_M + PAVEMENT_M + 0.1)
    kinds = (Kind.ROAD, Kind.ROAD, Kind.PAVEMENT, Kind.GRASS)
    for side in (1, -1):
        places = [world.road.pose(120.0, side * edge)[:2] for edge in edges]
        assert world.road.kinds(*np.array(places).T).tolist() == list(kinds)


def box(x, y, kind=Kind.CAR, shape='van'):
    return Thing(kind, shape, x, y, 1.0, 0.0, 4.0, 2.0, 2.0)


@pytest.fixture(scope='module')
def lone():
    """A van from x = 8 to 12 and y = -1 to 1, and nothing else."""
    return Snapshot(World(seed=1, options=replace(SceneOptions(), {'curvature': 0.0})).road,
                 (box(10.0, 0.0),))  # fmt: skip


def test_rays_meet_what_stands_nearest(lone):
    hits = lone.cast(
        (0.0, 0.0, 1.0), [(1, 0, 0), (2, 0, -0.2), (1, 0.5, -1), (0, 0, 1), (-1, 0, 0)]
    )
    assert hits.things.tolist() == [0, 0, GROUND, SKY, SKY]
    assert hits.distance[:3] == pytest.approx((8.0, 4.0, 1.0))
    assert hits.kinds[0] == Kind.CAR
    assert np.isinf(hits.distance[3:]).all()


def test_what_is_behind_a_thing_is_hidden(lone):
    points = [(6.0, 0.0, 0.0), (13.0, 0.0, 0.0), (13.0, 3.0, 0.0), (30.0, 0.0, 6.0)]
    eye = np.array((0.0, 0.0, 1.0))
    reached = lone.cast(eye, np.array(points) - eye).distance >= 1 - NEAREST
    assert reached.tolist() == [True, False, True, True]


def test_an_empty_scene_is_ground_and_sky(lone):
    hits = Snapshot(lone.road, ()).cast((0.0, 0.0, 1.0), [(1, 0, 0), (1, 0, -1)])
    assert hits.things.tolist() == [SKY, GROUND]


@pytest.mark.parametrize('seed', [-1, 1.5, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ConfigError, match=f'seed {seed}: must be an integer'):
        World(seed)


def test_a_foot_covers_its_ground(lone):
    x, y = np.array([7.9, 8.1, 11.9, 10.0]), np.array([0.0, 0.9, -0.9, 1.1])
    assert lone.standing_on(x, y).tolist() == [GROUND, 0, 0, GROUND]


SIZES = {'house': (8.0, 8.0, 7.0), 'block': (8.0, 8.0, 7.0), 'car': (4.2, 1.75, 1.46),
         'van': (5.2, 1.95, 2.3), 'bus': (10.5, 2.5, 3.0)}  # fmt: skip


@pytest.mark.parametrize('shape', SIZES)
@pytest.mark.parametrize('height', [0.1, 0.5, 0.9])
def test_bodies_are_closed(shape, height):
    """From any side, a ray at the middle of a body meets it before it has passed through."""
    length, width, top = SIZES[shape]
    rng = np.random.default_rng(1)
    for angle in rng.uniform(0, 2 * np.pi, 12):
        eye = (20 * np.cos(angle), 20 * np.sin(angle), height * top * 0.9)
        part = patches_of(shape, length, width, top, 2)
        table = seen_from(placed([part], *np.array([[0.0], [0.0], [1.0], [0.0]])), eye)
        ways = np.array((-eye[0], -eye[1], 0.0)) + rng.uniform(-0.3, 0.3, (40, 3)) * (1, 1, 0)
        met = [meeting.rays(*ways.T)[3] for meeting in meetings(table, eye)]
        assert np.any(met, axis=0).all()


@pytest.mark.parametrize('speed', [0.0, 2.0, 8.0, 30.0])
def test_nothing_stands_in_the_way_of_the_ego_car(speed):
    ahead, left = np.meshgrid(np.linspace(-2, 2.4, 8), np.linspace(-0.95, 0.95, 6))
    body = np.stack((ahead, left, 0 * ahead), axis=-1).reshape(-1, 3)
    for seed in (0, 5):
        scene = SyntheticScene(seed, replace(SceneOptions(), {'speed_mps': speed}))
        for index in range(0, len(scene), 9):
            x, y, _ = scene.pose(index).to_world(body).T
            assert (scene.snapshot(index).standing_on(x, y) == GROUND).all()


@pytest.mark.parametrize('speed', [0.0, 2.0, 8.0, 30.0])
def test_nobody_walks_through_a_car(speed):
    scene = SyntheticScene(seed=3, options=replace(SceneOptions(), {'speed_mps': speed}))
    for index in range(0, len(scene), 7):
        things = scene.snapshot(index).things
        people = [thing for thing in things if thing.kind in (Kind.PERSON, Kind.RIDER)]
        x, y = (np.array([getattr(thing, name) for thing in people]) for name in ('x_m', 'y_m'))
        for car in things:
            if car.shape in ('car', 'van', 'bus'):
                assert not car.covers(x, y).any()


def test_somebody_crosses_the_road_before_the_ego_car():
    scene = SyntheticScene(seed=3)
    on_road = 0
    for index in range(0, len(scene), 5):
        people = [t for t in scene.snapshot(index).things if t.kind == Kind.PERSON]
        x, y = (np.array([getattr(t, name) for t in people]) for name in ('x_m', 'y_m'))
        on_road += int((np.abs(scene.world.road.coordinates(x, y)[1]) < HALF_ROAD_M).any())
    assert on_road >= 5


def test_things_move_and_houses_do_not():
    world = World(seed=4)
    early, late = world.snapshot(10.0, 100.0).things, world.snapshot(10.5, 100.0).things
    standing = {t for t in early if t.kind == Kind.BUILDING}
    assert standing
    assert standing == {t for t in late if t.kind == Kind.BUILDING}
    riders = [t for t in early if t.kind == Kind.RIDER]
    moved = {t.variant: t for t in late if t.kind == Kind.RIDER}
    gone = [
        np.hypot(moved[t.variant].x_m - t.x_m, moved[t.variant].y_m - t.y_m)
        for t in riders
        if t.variant in moved and moved[t.variant].cosine * t.cosine > 0
    ]
    assert gone
    assert np.median(gone) == pytest.approx(2.25, abs=0.05)


def test_options_empty_the_road():
    empty = replace(SceneOptions(), {'traffic': 0.0, 'people': 0.0, 'parked': 0.0, 'trees': 0.0})
    kinds = {thing.kind for thing in World(6, empty).snapshot(3.0, 24.0).things}
    assert not kinds & {Kind.CAR, Kind.BUS, Kind.TRUCK, Kind.PERSON, Kind.RIDER, Kind.TREE}
    assert Kind.BUILDING in kinds


@pytest.mark.parametrize('label_set', ['camvid', 'cityscapes'])
def test_every_kind_has_a_class(label_set):
    assert (label_table(label_set)[list(Kind)] != 255).all()


def test_a_label_set_without_streets_is_refused():
    with pytest.raises(UnknownNameError, match='camvid, cityscapes'):
        label_table('pascal_context')


def test_images_do_not_depend_on_the_order_in_which_they_are_drawn():
    before = image('house_3').rgb.copy()
    image.cache_clear()
    for name in ('tree_1', 'walker_2', 'house_3'):
        image(name)
    assert (image('house_3').rgb == before).all()


def test_every_shape_finds_its_images():
    for name, shape in SHAPES.items():
        for variant in range(32):
            for patch in shape.build(4.0, 1.8, 2.0, variant):
                assert patch.image in IMAGES, name


def test_noise_has_no_seams():
    noise = fractal(np.random.Generator(np.random.PCG64(1)), (64, 128), 4)
    inner, seam = np.abs(np.diff(noise, axis=0)).mean(), np.abs(noise[0] - noise[-1]).mean()
    assert 0.5 < seam / inner < 2
    assert noise.min() >= -128
    assert noise.max() <= 127
