"""Repeated games: the PettingZoo environment, its Gymnasium view, the registered games."""
