"""The built-in drive: a procedural road scene with exact labels, calibration and metric truth."""
