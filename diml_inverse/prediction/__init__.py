"""What would happen if: play of recovered agents in a changed world, with bands."""

from diml_inverse.prediction.change import Change
from diml_inverse.prediction.picture import shares_over_rounds
from diml_inverse.prediction.predict import predict_under
from diml_inverse.prediction.prediction import Play, Prediction

__all__ = ["Change", "Play", "Prediction", "predict_under", "shares_over_rounds"]
