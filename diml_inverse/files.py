"""Names of the files that a fit, its diagnosis and an identification leave; below everything that writes them."""

ESTIMATE = "estimate.safetensors"
FACTS = "fit.json"
DIAGNOSIS = "diagnosis"  # folder, in that of the fit
VERDICT = "verdict.txt"
IDENTIFICATION = "identification.csv"
BOUNDS = "bounds.csv"
