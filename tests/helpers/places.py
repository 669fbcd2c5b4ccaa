"""Where things lie."""

from pathlib import Path

HELPERS = Path(__file__).parent
ROOT = HELPERS.parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"  # beside a checkout, where there is any
