"""Measuring candidate plans on the target, so that what is chosen was timed."""
