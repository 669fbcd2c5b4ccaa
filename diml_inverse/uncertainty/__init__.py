"""How precisely mechanism and learners are known, by kind of fit."""
