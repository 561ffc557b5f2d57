"""MFARANet semantic segmentation for ROS 2: camera topics in, masks and drivable area out."""

__version__ = '0.1.0'
