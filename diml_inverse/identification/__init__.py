"""What play says of the mechanism: which contexts occurred, and what choices there can tell."""

from diml_inverse.identification.contexts import on_support, visited_contexts
from diml_inverse.identification.identify import identify
from diml_inverse.identification.result import Identification

__all__ = ["Identification", "identify", "on_support", "visited_contexts"]
