"""Pruning studies: one network, many ways to choose which of its filters go, each really done and measured."""
