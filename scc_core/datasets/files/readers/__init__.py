"""One module per layout on disk, each with ``read(folder, description) -> Samples``.

A reader raises FileNotFoundError for what is missing and UserError for what is malformed; it decodes no image. Its
order is that of the dataset's own list, else the bytes of the paths, never that of the file system.
"""
