"""One frame, in order, from message to results; no ROS import anywhere in here."""
