"""The rollout: learners play an environment, stepped or all episodes at once."""
