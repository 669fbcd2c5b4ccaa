"""Estimators: what they are, how they train, how they are compared, and `DIML`, the front door to them."""
