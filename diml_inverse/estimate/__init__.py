"""What an estimator found, with what follows from it."""
