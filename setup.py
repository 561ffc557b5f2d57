# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The package for pip and colcon; what ROS needs to know beside it is in package.xml."""

import re
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'mfaranet_ros'
SHARE = f'share/{NAME}'

ROS_PACKAGES = (
    'diagnostic-msgs',
    'geometry-msgs',
    'nav-msgs',
    'sensor-msgs',
    'std-msgs',
    'std-srvs',
)

ONNX = ['onnx>=1.16', 'onnxruntime>=1.18']
"""For `mfaranet export` and the backend onnx; on an NVIDIA GPU it is onnxruntime-gpu."""

OPENVINO = ['onnx>=1.16', 'openvino>=2024.4']
"""For the backend openvino, the fastest on a CPU."""

QUANTISE = [*ONNX, *OPENVINO, 'nncf>=2.14']
"""For `mfaranet quantise`; a vehicle that runs the file does not need it."""
PARQUET = ['pyarrow>=14']
"""For the tables of an evaluation that pandas, DuckDB and Ray read."""


def version() -> str:
    """Return the version without importing the package, whose dependencies may be missing."""
    text = Path(NAME, '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE)[1]


def ros_wheels(rclpy: str, messages: str) -> list[str]:
    """Return the wheels of one ROS distribution; each pins the versions of its own dependencies.

    They stay as they are until they are raised here: the next distribution is uploaded under the
    same names.
    """
    wheels = [f'ros-{name}=={messages}' for name in ROS_PACKAGES]
    return [f'ros-rclpy[fastrtps]=={rclpy}', *wheels]


setup(
    name=NAME,
    version=version(),
    description='MFARANet semantic segmentation of camera topics: masks and drivable area',
    license='Apache-2.0',
    author='The mfaranet_ros maintainers',
    maintainer='The mfaranet_ros maintainers',
    maintainer_email='maintainers@mfaranet-ros.example',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={
        NAME: [
            'py.typed',
            'backends/*.jpg',
            'backends/presets/*.yaml',
            'core/*.json',
            'evaluation/report/*.j2',
            'weights/*',
        ],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', sorted(glob('launch/*.launch.py'))),
        (f'{SHARE}/config', sorted(glob('config/*.*'))),
        (f'{SHARE}/config/sros2', sorted(glob('config/sros2/*'))),
        # Where `ros2 run` and `ros2 launch` look for the nodes, with pip as with colcon.
        (f'lib/{NAME}', sorted(glob(f'{NAME}/ros/scripts/*_node'))),
    ],
    entry_points={'console_scripts': ['mfaranet = mfaranet_ros.cli.main:main']},
    install_requires=[
        'av>=16',
        'jinja2>=3.0',
        'jsonschema>=4.0',
        'lz4>=4',
        'matplotlib>=3.6',
        'mcap>=1.1',
        'numpy>=1.26,<3',
        'opencv-python>=4.6,<6',
        'pillow>=9.1',
        'PyYAML>=6',
        'rosbags>=0.11.6,<1',
        'safetensors>=0.4.3',
        'torch>=2.5',
        'tqdm>=4.60',
        'zstandard>=0.20',
    ],
    extras_require={
        'onnx': ONNX,
        'openvino': OPENVINO,
        'quantise': QUANTISE,
        'parquet': PARQUET,
        'ray': [*PARQUET, 'fsspec>=2023.1', 'ray>=2.9'],
        'ros-kilted': ros_wheels('9.1.2', '5.5.1'),
        'ros-jazzy': ros_wheels('7.1.6', '5.3.6'),
        'test': [
            *QUANTISE,
            'hypothesis>=6.100,<7',
            'mcap>=1.2,<2',
            'mypy==2.4.1',
            'pytest>=8,<10',
            'pytest-cov>=5,<8',
            'pytest-xdist>=3.6,<4',
            *PARQUET,
            'fsspec>=2023.1',
            'rosbags-image>=0.10,<1',
            'ruff==0.17.5',
            'torchmetrics>=1.4,<2',
        ],
    },
    zip_safe=False,
)
