# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every script of examples/ runs as its docstring says, and is short enough to read."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest

from mfaranet_ros import SyntheticScene
from mfaranet_ros.cli.main import main

EXAMPLES = Path(__file__).resolve().parents[1] / 'examples'
MOST_LINES = 30


def run(name, *arguments, cwd):
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def test_examples_are_short():
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob('*.py')}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}
    tested = Path(__file__).read_text(encoding='utf-8')
    assert [name for name in lengths if f"'{name}'" not in tested] == []


def test_photo(tmp_path):
    image = SyntheticScene(seed=2).frame(30).rgb
    assert cv2.imwrite(str(tmp_path / 'photo.jpg'), image[..., ::-1])
    result = run('photo.py', 'photo.jpg', '-o', 'seen.png', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    shares = {
        name: float(share.rstrip('%'))
        for name, share in (line.rsplit(maxsplit=1) for line in result.stdout.splitlines())
    }
    assert shares['road'] > 15
    assert sum(shares.values()) - shares['drivable'] == pytest.approx(100, abs=0.6)
    assert cv2.imread(str(tmp_path / 'seen.png')).shape == image.shape


def test_photo_that_is_missing(tmp_path):
    result = run('photo.py', 'none.jpg', cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith('none.jpg cannot be read as an image')


def test_custom_labels(tmp_path):
    result = run('custom_labels.py', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ['track', 'crop', 'sky']


def test_video(tmp_path):
    result = run('video.py', '-n', 3, '-o', 'seen.mp4', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    again = run('video.py', 'seen.mp4', '-n', 2, '-o', 'again.mp4', cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for name, count in (('seen.mp4', 3), ('again.mp4', 2)):
        video = cv2.VideoCapture(str(tmp_path / name))
        assert video.get(cv2.CAP_PROP_FRAME_COUNT) == count
        video.release()


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bag') / 'scene'
    options = ('--frames', '3', '--grid', 'none', '--size', '120x160')
    assert main(['scene', '--bag', '--out', str(folder), *options]) == 0
    return folder


def test_bag_to_parquet(bag, tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    result = run('bag_to_parquet.py', bag, 'table.parquet', '--camera-height', 1.4, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    table = parquet.read_table(tmp_path / 'table.parquet').to_pydict()
    assert list(table) == ['stamp_ns', 'drivable_ahead_m']
    assert table['stamp_ns'] == sorted(table['stamp_ns'])
    assert len(table['stamp_ns']) == 3
    assert all(5 < distance < 40 for distance in table['drivable_ahead_m'])


def test_bag_to_parquet_without_pyarrow(bag, tmp_path):
    hidden = "import sys; sys.modules['pyarrow'] = None; import runpy; runpy.run_path(sys.argv[1])"
    command = [sys.executable, '-c', hidden, EXAMPLES / 'bag_to_parquet.py', bag, 'table.parquet']
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == 'error: pyarrow is not installed: pip install pyarrow\n'


@pytest.mark.ros
def test_composed_node(tmp_path):
    rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')
    from sensor_msgs.msg import Image

    command = [sys.executable, EXAMPLES / 'composed_node.py', '--ros-args', '-r', 'image:=/front']
    environment = {**os.environ, 'ROS_DOMAIN_ID': '101'}
    heard = threading.Event()
    lines = []
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=101)
    node = rclpy.create_node('camera', context=context)
    publisher = node.create_publisher(Image, '/front', 1)
    message = Image(height=48, width=64, step=192, encoding='rgb8', data=bytes([120]) * 48 * 192)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    )

    def listen():
        for line in process.stdout:
            lines.append(line)
            heard.set()

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        for _ in range(600):
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)
            if heard.wait(0.1) or process.poll() is not None:
                break
        assert heard.is_set(), 'the callback was never called'
        assert lines[0].endswith('% drivable\n')
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(10)
        listener.join()
        process.stdout.close()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert code == 0
