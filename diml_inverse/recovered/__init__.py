"""What an estimator finds, its file, and what an estimator is."""
