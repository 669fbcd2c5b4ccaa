"""What is played and who plays it: tasks under their names and versions."""
