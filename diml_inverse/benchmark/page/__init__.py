"""A run's results as one HTML page that needs nothing else: tables to sort and filter, pictures, every cell's facts."""

from diml_inverse.benchmark.page.render import write_page

__all__ = ["write_page"]
