"""Files: what is saved comes back, what is damaged is named, what was there before survives a failed write."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diml_envs.atomic import atomic_write
from diml_envs.labels import in_order
from diml_envs.traces import MISSING, Traces
from tests.diml_envs import strategies

ENDINGS = (".nc", ".parquet", ".csv")
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
