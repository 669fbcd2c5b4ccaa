"""How good an answer is: scores, tables of results, information bounds."""
