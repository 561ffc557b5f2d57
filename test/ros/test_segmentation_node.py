# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node among others: what it publishes, what it refuses, and that it answers all the while."""

import statistics
import time
from collections import Counter

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped
from lifecycle_msgs.srv import GetState
from nav_msgs.msg import OccupancyGrid
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Float64
from std_srvs.srv import SetBool

from mfaranet_ros.backends import MockBackend
from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.ros.compatibility import PublisherEventCallbacks

CAMVID_ROAD = 3
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
SILENT = PublisherEventCallbacks(use_default_callbacks=False)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def stamp_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def pixels_of(message):
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


def level_of(status):
    return status.level[0]


# -- what it publishes ---------------------------------------------------------------------------


def test_the_mask_carries_its_frames_header_and_the_cameras_size(vehicle):
    vehicle.start()
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    for count in range(1, 6):
        sent = vehicle.send()
        vehicle.wait_until(lambda n=count: len(masks) == n, 'a mask for each frame')
        mask = masks[-1]
        assert stamp_ns(mask) == sent
        assert mask.header.frame_id == 'camera'
        assert (mask.height, mask.width) == vehicle.size
        assert (mask.encoding, mask.step) == ('mono8', mask.width)
        assert len(mask.data) == mask.height * mask.width
        assert CAMVID_ROAD in pixels_of(mask)


def test_grid_boundary_and_points_agree_with_the_mask(vehicle):
    node = vehicle.start(parameters={'drivable.min_confidence': 0.0, 'ground.resolution': 0.2})
    masks = vehicle.listen('/segmentation/mask', Image)
    grids = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid)
    boundaries = vehicle.listen('/segmentation/drivable/boundary', PolygonStamped)
    clouds = vehicle.listen('/segmentation/drivable/points', PointCloud2, BEST_EFFORT)
    infos = vehicle.listen('/segmentation/camera_info', CameraInfo)
    vehicle.matched()
    vehicle.calibrate(height=240, width=320)
    vehicle.wait_until(lambda: node.camera.ground.camera_info, 'the calibration')
    sent = vehicle.send(size=(240, 320))
    for heard in (masks, grids, boundaries, clouds, infos):
        vehicle.wait_until(lambda h=heard: h, 'every output')
        assert stamp_ns(heard[0]) == sent
    assert {m[0].header.frame_id for m in (grids, boundaries, clouds)} == {'base_link'}
    assert (infos[0].height, infos[0].width) == (240, 320)

    grid, labels = grids[0], pixels_of(masks[0])
    cells = np.array(grid.data, np.int8).reshape(grid.info.height, grid.info.width)
    x_m = grid.info.origin.position.x + (np.arange(grid.info.width) + 0.5) * grid.info.resolution
    y_m = grid.info.origin.position.y + (np.arange(grid.info.height) + 0.5) * grid.info.resolution
    x_m, y_m = np.meshgrid(x_m, y_m)
    row = np.rint(119.5 + 320.0 * 1.5 / x_m).astype(int)
    column = np.rint(159.5 - 320.0 * y_m / x_m).astype(int)
    seen = (row >= 0) & (row < 240) & (column >= 0) & (column < 320) & (x_m < 15.0)
    road = np.zeros(cells.shape, np.uint8)
    road[seen] = labels[row[seen], column[seen]] == CAMVID_ROAD
    around = np.ones((3, 3), np.uint8)  # a cell is right to within one cell
    assert road.sum() > 1000
    assert (cells[cv2.erode(road, around) == 1] == 0).all()
    assert (cells[seen & (cv2.dilate(road, around) == 0)] != 0).all()
    assert boundaries[0].polygon.points
    assert clouds[0].width > 0


def test_with_only_the_mask_subscribed_nothing_else_is_computed(vehicle):
    node = vehicle.start()
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    vehicle.calibrate()
    for count in range(1, 4):
        vehicle.send()
        vehicle.wait_until(lambda n=count: len(masks) == n, 'a mask for each frame')
    vehicle.wait_until(lambda: node.monitor.snapshot(0).processed == 3, 'all to be counted')
    counts = node.monitor.snapshot(0).stage_counts
    assert counts == dict.fromkeys(
        ('processing_time', 'decode', 'preprocess', 'inference', 'postprocess', 'drivable',
         'publish', 'publish_mask'), 3,
    )  # fmt: skip


def test_without_any_subscriber_no_frame_reaches_the_network(vehicle):
    backend = MockBackend(11)
    node = vehicle.start(pipeline=backend)
    vehicle.matched()
    before = backend.frames
    for _ in range(3):
        vehicle.send()
        time.sleep(0.05)
    vehicle.wait_until(
        lambda: node.monitor.snapshot(0).dropped.get('no_subscriber', 0)
        + node.monitor.snapshot(0).dropped.get('replaced', 0) == 3,
        'three frames to be counted',
    )  # fmt: skip
    assert backend.frames == before


def test_debug_topics_alone_give_times(vehicle):
    vehicle.start()
    times = vehicle.listen('/segmentation/debug/processing_time_ms', Float64)
    latencies = vehicle.listen('/segmentation/debug/pipeline_latency_ms', Float64)
    vehicle.matched()
    vehicle.send()
    vehicle.wait_until(lambda: times and latencies, 'the times')
    assert 0 < times[0].data < latencies[0].data


@pytest.mark.parametrize('topic', ['overlay', 'color_mask', 'confidence', 'drivable/mask'])
def test_each_image_comes_on_demand(vehicle, topic):
    vehicle.start()
    images = vehicle.listen(f'/segmentation/{topic}', Image)
    vehicle.matched()
    sent = vehicle.send()
    vehicle.wait_until(lambda: images, topic)
    assert stamp_ns(images[0]) == sent
    assert (images[0].height, images[0].width) == vehicle.size


def test_frames_may_change_their_size(vehicle):
    vehicle.start()
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    for count, size in enumerate([(96, 128), (61, 83), (128, 96), (33, 47)], start=1):
        vehicle.send(size=size)
        vehicle.wait_until(lambda n=count: len(masks) == n, f'a mask of {size}')
        assert (masks[-1].height, masks[-1].width) == size


def test_the_newest_frame_wins_and_the_node_answers_all_the_while(vehicle):
    """10 Hz camera, 0.25 s a frame: what is handled is the newest, and the counts add up."""
    backend = MockBackend(11, delay_s=0.25)
    node = vehicle.start(pipeline=backend)
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    parameters = vehicle.client(GetParameters, '/segmentation/get_parameters')
    state = vehicle.client(GetState, '/segmentation/get_state')
    sent, taken, answers_ms = [], [], []
    handle = node._worker._handle
    node._worker._handle = lambda messages: (
        taken.append((stamp_ns(messages[node.camera]), node.monitor._last_stamp_ns)),
        handle(messages),
    )
    for _ in range(25):
        sent.append(vehicle.send())
        deadline = time.monotonic() + 0.1
        for client, request in (
            (parameters, GetParameters.Request(names=['latency.budget_ms'])),
            (state, GetState.Request()),
        ):
            start = time.monotonic()
            future = client.call_async(request)
            vehicle.wait_until(future.done, 'an answer')
            answers_ms.append((time.monotonic() - start) * 1000)
        time.sleep(max(0.0, deadline - time.monotonic()))
    vehicle.wait_until(
        lambda: node.monitor.snapshot(0).pending == 0 and node.monitor.snapshot(0).processed,
        'the last frame',
    )
    snapshot = node.monitor.snapshot(0)
    assert snapshot.received + snapshot.lost == len(sent)
    assert snapshot.processed + sum(snapshot.dropped.values()) == snapshot.received
    assert snapshot.dropped['replaced'] >= 10
    vehicle.wait_until(lambda: len(masks) == snapshot.processed, 'every mask')
    older = [stamp for stamp, newest in taken if stamp != newest]
    # One may have come in the very moment in which the worker took the one before it.
    assert len(older) <= 1, 'an older frame was taken than the newest there was'
    assert statistics.median(answers_ms) < 100


def test_latecomers_get_the_last_grid(vehicle):
    node = vehicle.start(parameters={'diagnostics.input_timeout_ms': 1e6})
    first = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid)
    vehicle.matched()
    vehicle.calibrate()
    vehicle.wait_until(lambda: node.camera.ground.camera_info, 'the calibration')
    sent = vehicle.send()
    vehicle.wait_until(lambda: first, 'a grid')
    late = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid, LATCHED)
    vehicle.wait_until(lambda: late, 'the grid of before')
    assert stamp_ns(late[0]) == sent


def test_the_grid_is_cleared_once_when_the_input_goes_silent(vehicle):
    node = vehicle.start(
        parameters={'diagnostics.input_timeout_ms': 400.0, 'latency.max_age_ms': 0.0}
    )
    grids = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid)
    vehicle.matched()
    vehicle.calibrate()
    vehicle.wait_until(lambda: node.camera.ground.camera_info, 'the calibration')
    vehicle.send()
    vehicle.wait_until(lambda: len(grids) >= 2, 'a grid and its clearing')
    assert 0 in grids[0].data
    assert set(grids[1].data) == {-1}
    assert stamp_ns(grids[1]) > stamp_ns(grids[0])
    time.sleep(1.0)
    assert len(grids) == 2


@pytest.mark.parametrize(
    'worse', [{'height': 48, 'width': 64}, {'k': [0.0] * 9}], ids=['size', 'uncalibrated']
)
def test_the_grid_is_cleared_when_the_calibration_is_lost_while_images_go_on(vehicle, worse):
    """On a simulated clock, which stands still between two images."""
    clock = vehicle.simulated_clock()
    node = vehicle.start(parameters={'use_sim_time': True, 'latency.max_age_ms': 0.0})
    grids = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid)
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    clock.set(1.0, node)
    vehicle.calibrate()
    vehicle.wait_until(lambda: node.camera.ground.camera_info, 'the calibration')
    first = node.camera.ground.camera_info
    vehicle.send(stamp_ns=10**9)
    vehicle.wait_until(lambda: grids, 'a grid')
    vehicle.calibrate(**worse)
    vehicle.wait_until(lambda: node.camera.ground.camera_info is not first, 'the bad calibration')
    for tenths in range(11, 20):
        clock.set(tenths / 10, node)
        vehicle.send(stamp_ns=tenths * 10**8)
        vehicle.wait_until(lambda n=tenths - 9: len(masks) == n, 'a mask')
    assert len(grids) == 1  # not yet older than diagnostics.input_timeout_ms
    clock.set(2.1, node)
    vehicle.wait_until(lambda: len(grids) == 2, 'the grid to be cleared')
    assert set(grids[1].data) == {-1}
    late = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid, LATCHED)
    vehicle.wait_until(lambda: late, 'what a late subscriber gets')
    assert set(late[0].data) == {-1}
    vehicle.calibrate()
    vehicle.wait_until(lambda: node.camera.ground.camera_info.k[0], 'the good calibration')
    vehicle.wait_until(lambda: node.camera.ground.camera_info.width == vehicle.size[1], 'its size')
    vehicle.send(stamp_ns=21 * 10**8)
    vehicle.wait_until(lambda: len(grids) == 3, 'a grid again')
    assert 0 in grids[2].data


def test_a_calibration_that_was_latched_before_the_node_came_is_taken(vehicle):
    vehicle.node.destroy_publisher(vehicle.info)
    vehicle.info = vehicle.node.create_publisher(CameraInfo, 'camera_info', LATCHED)
    vehicle.calibrate()
    node = vehicle.start()
    vehicle.wait_until(lambda: node.camera.ground.camera_info, 'the latched calibration')


# -- freshness -----------------------------------------------------------------------------------


def test_a_frame_that_is_too_old_gives_no_mask(vehicle):
    node = vehicle.start(parameters={'latency.max_age_ms': 500.0})
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    now_ns = vehicle.node.get_clock().now().nanoseconds
    vehicle.send(stamp_ns=now_ns - 2 * 10**9)
    vehicle.wait_until(lambda: node.monitor.snapshot(0).dropped.get('stale'), 'the drop')
    fresh = vehicle.send()
    vehicle.wait_until(lambda: masks, 'the mask of the fresh frame')
    assert [stamp_ns(mask) for mask in masks] == [fresh]


def test_a_frame_that_grows_too_old_while_it_is_processed_gives_no_mask(vehicle):
    backend = MockBackend(11, delay_s=0.6)
    node = vehicle.start(pipeline=backend, parameters={'latency.max_age_ms': 400.0})
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    vehicle.send()
    vehicle.wait_until(lambda: node.monitor.snapshot(0).dropped.get('stale'), 'the drop')
    assert masks == []


# -- bad input -----------------------------------------------------------------------------------

WARN, ERROR = 1, 2


@pytest.mark.parametrize(
    ('reason', 'changes'),
    [
        ('data', {'data': b'\x00' * 100}),
        ('size', {'height': 0, 'width': 0, 'step': 0, 'data': b''}),
        ('encoding', {'encoding': 'rgb7'}),
    ],
)
def test_a_bad_image_is_refused_in_words_and_loses_nothing_else(vehicle, reason, changes):
    node = vehicle.start(parameters={'diagnostics.input_timeout_ms': 1e6})
    masks = vehicle.listen('/segmentation/mask', Image)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.matched()
    vehicle.send(**changes)
    vehicle.wait_until(
        lambda: node.monitor.snapshot(0).dropped.get(f'decode_{reason}'), 'the refusal'
    )
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'input', 'refused'), 'words'
    )
    assert level_of(status) == ERROR
    good = vehicle.send()
    vehicle.wait_until(lambda: masks, 'the mask of the good frame')
    assert stamp_ns(masks[0]) == good
    vehicle.wait_until(
        lambda: level_of(vehicle.status_of(diagnostics, 'input', 'refused')) == WARN,
        'a mere warning',
    )


@pytest.mark.parametrize(
    ('words', 'changes'),
    [
        ('no CameraInfo', None),
        ('not calibrated', {'k': [0.0] * 9}),
        ('48', {'height': 48, 'width': 64}),
        ('fish_bowl', {'distortion_model': 'fish_bowl'}),
    ],
)
def test_without_a_usable_calibration_only_the_metric_outputs_are_silent(vehicle, words, changes):
    node = vehicle.start()
    masks = vehicle.listen('/segmentation/mask', Image)
    grids = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.matched()
    if changes is not None:
        vehicle.calibrate(**changes)
        vehicle.wait_until(lambda: node.camera.ground.camera_info, 'the calibration')
    vehicle.send()
    vehicle.wait_until(lambda: masks, 'a mask')
    vehicle.wait_until(lambda: vehicle.status_of(diagnostics, 'input', words), words)
    (condition,) = [c for c in node.monitor.snapshot(0).conditions['input'] if words in c.text]
    assert condition.level == WARN
    assert grids == []
    vehicle.calibrate()

    def recovered():
        vehicle.send()
        time.sleep(0.1)
        return grids

    vehicle.wait_until(recovered, 'a grid with a good calibration')


def test_stamps_in_the_future_and_backward_are_reported(vehicle):
    vehicle.start()
    masks = vehicle.listen('/segmentation/mask', Image)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.matched()
    now_ns = vehicle.node.get_clock().now().nanoseconds
    vehicle.send(stamp_ns=now_ns + 5 * 10**9)
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'input', 'future'), 'a warning'
    )
    assert level_of(status) >= WARN  # more where the next image is late on a busy machine
    vehicle.send()
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'input', 'back in time'), 'another'
    )
    assert level_of(status) >= WARN
    assert vehicle.values_of(status)['stamp_jumped_back'] == '1'
    vehicle.wait_until(lambda: len(masks) == 2, 'both masks')


def test_a_failing_network_costs_its_frame_only(vehicle):
    def fail(number):
        return InferenceError('the device is on fire') if number == 1 else None

    backend = MockBackend(11)
    node = vehicle.start(pipeline=backend)
    masks = vehicle.listen('/segmentation/mask', Image)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.matched()
    backend.frames, backend.fail = 0, fail
    vehicle.send()
    vehicle.wait_until(lambda: len(masks) == 1, 'the first mask')
    vehicle.send()
    vehicle.wait_until(lambda: node.monitor.snapshot(0).dropped.get('inference'), 'the failure')
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'model', 'on fire'), 'an error'
    )
    assert level_of(status) == ERROR
    vehicle.send()
    vehicle.wait_until(lambda: len(masks) == 2, 'the mask after the failure')
    vehicle.wait_until(
        lambda: level_of(vehicle.status_of(diagnostics[-1:], 'model')) == 0, 'recovery'
    )


def test_an_unexpected_error_does_not_kill_the_worker(vehicle):
    backend = MockBackend(11)
    node = vehicle.start(pipeline=backend)
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    backend.frames, backend.fail = 0, lambda number: ZeroDivisionError() if number == 0 else None
    vehicle.send()
    vehicle.wait_until(lambda: node.monitor.snapshot(0).dropped.get('internal'), 'the failure')
    vehicle.send()
    vehicle.wait_until(lambda: masks, 'the mask after the failure')


def test_a_publisher_of_incompatible_qos_is_named(vehicle):
    node = vehicle.start(parameters={'qos_overrides./image.subscription.reliability': 'reliable'})
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.node.create_publisher(Image, 'image', BEST_EFFORT, event_callbacks=SILENT)
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'input', 'reliability'), 'the incompatibility'
    )
    assert level_of(status) == ERROR
    assert 'qos_overrides./image.subscription' in status.message
    other = node.get_subscriptions_info_by_topic('/camera_info')
    assert [o.qos_profile.reliability for o in other] == [ReliabilityPolicy.BEST_EFFORT]


def test_a_subscriber_of_incompatible_qos_is_named(vehicle):
    vehicle.start()
    vehicle.listen('/segmentation/mask', Image, LATCHED)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'output', '/segmentation/mask asks for durability'),
        'the incompatibility',
    )
    assert level_of(status) == WARN


# -- services ------------------------------------------------------------------------------------


def test_disabled_the_camera_is_not_even_subscribed(vehicle):
    vehicle.start()
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    answer = vehicle.call(SetBool, '/segmentation/enable', SetBool.Request(data=False))
    assert answer.success
    vehicle.wait_until(lambda: vehicle.camera.get_subscription_count() == 0, 'unsubscription')
    vehicle.call(SetBool, '/segmentation/enable', SetBool.Request(data=True))
    vehicle.matched()
    vehicle.send()
    vehicle.wait_until(lambda: masks, 'a mask after enabling')


def test_diagnostics_come_once_a_second_under_the_names_of_the_interface(vehicle):
    vehicle.start()
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.wait_until(lambda: len(diagnostics) >= 3, 'three messages')
    names = Counter(status.name for status in diagnostics[-1].status)
    parts = ('latency', 'input', 'output', 'model')
    rates = {topic for topic in names if topic.startswith('/segmentation/')}
    assert names == dict.fromkeys({f'/segmentation: {part}' for part in parts} | rates, 1)
    assert {'/segmentation/mask', '/segmentation/drivable/grid'} <= rates
    model = vehicle.values_of(vehicle.status_of(diagnostics, 'model'))
    assert {'name', 'scales', 'precision', 'backend', 'device', 'weights_sha256'} <= set(model)
    gap_ns = stamp_ns(diagnostics[2]) - stamp_ns(diagnostics[1])
    assert gap_ns == pytest.approx(1e9, rel=0.5)
