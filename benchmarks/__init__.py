"""Benchmarks of mlpcore against other libraries; README.md beside this file has the method."""
