"""What readers give and writers take: the plain arguments of `Traces`, not yet checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from diml_envs.traces.labels import Label


class Fields(NamedTuple):
    """The arguments of `Traces`, in its order; see there."""

    actions: ArrayLike
    lengths: ArrayLike | None = None
    agents: Sequence[str] | None = None
    action_labels: Sequence[Sequence[Label]] | None = None
    episodes: Sequence[Label] | None = None
    metadata: Mapping[str, Any] | None = None
    persons: ArrayLike | None = None
    person_labels: Sequence[Label] | None = None
    sessions: ArrayLike | None = None
    session_labels: Sequence[Label] | None = None
    begins: ArrayLike | None = None
    given: Sequence[str] = ()
