"""How fast this project computes, measured; each benchmark is one command (see ``README.md``)."""
