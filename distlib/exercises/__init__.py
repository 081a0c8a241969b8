"""The exercises of the chapters: each can be checked by the reader, and is checked by the tests.

A chapter's exercises are in the module of its name, :mod:`distlib.exercises.<topic>.<family>`, one variable each.
"""
