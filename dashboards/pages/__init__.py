"""One module per page; each turns a study, and provenance where it needs it, into a :class:`dashboards.page.Page`."""
