"""The code under *Distributed Systems by Experiment*.

Import from the modules, never from here::

    from distlib.node import Node, Send
    from distlib.runtimes.simulation import simulate

The package is laid out by the question that a module answers:

- :mod:`distlib.node`: what a node is;
- :mod:`distlib.protocols`: what nodes do;
- :mod:`distlib.models`: what mathematics predicts of them;
- :mod:`distlib.runtimes`: the ways to run the same node;
- :mod:`distlib.checkers`: verdicts on the histories that they leave;
- :mod:`distlib.broken`: the mistakes that the book makes on purpose;
- :mod:`distlib.figures`: everything drawn;
- :mod:`distlib.evidence`: where a prediction meets a measurement.
"""
