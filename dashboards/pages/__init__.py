"""The pages of the site, one module each, and the parts that they are put together from."""

__all__ = ["figures", "markup", "overview", "page", "published", "results", "sources"]
