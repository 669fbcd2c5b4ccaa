"""What an estimator found, and its file."""
