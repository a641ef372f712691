"""A small Kedro project about fares of trips to orbit and beyond."""

__version__ = "0.1"
