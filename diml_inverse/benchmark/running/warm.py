"""What fits import on first use, imported once for all cells: a fifth of a second to seconds in each otherwise."""

import pyarrow.pandas_compat  # noqa: F401  (pandas imports it when it writes or reads text)
import torch

# Making an optimizer imports a thousand modules. It starts no thread, so the process may still be forked.
torch.optim.Adam([torch.zeros(1, requires_grad=True)])
