"""What proves the performance claims: `./tt bench`, see `__main__.py`."""
