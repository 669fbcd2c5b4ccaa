"""What a fit leaves for people: tables of payoff differences, pictures, and the folder that holds them."""

from diml_inverse.report.composition import composition_chart, composition_table
from diml_inverse.report.folder import save_fit
from diml_inverse.report.pictures import choices_over_rounds, picture, recovered_against_true
from diml_inverse.report.tables import comparison_table, payoff_difference_table, relative_error
from diml_inverse.report.words import found_in_words

__all__ = [
    "choices_over_rounds",
    "comparison_table",
    "composition_chart",
    "composition_table",
    "found_in_words",
    "payoff_difference_table",
    "picture",
    "recovered_against_true",
    "relative_error",
    "save_fit",
]
