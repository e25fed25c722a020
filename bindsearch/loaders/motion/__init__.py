"""Motion logs: accelerometer and gyroscope tables of many apps, in m/s^2, rad/s and seconds."""

from bindsearch.loaders.motion.loader import load_motion

__all__ = ["load_motion"]
