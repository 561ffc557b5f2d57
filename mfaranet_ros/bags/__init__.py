"""Recorded data without ROS: reads, writes and repairs bags, and pairs frames with truth."""
