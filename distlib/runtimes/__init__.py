"""The ways to run the same node: simulated, explored, over sockets."""
