"""The fixtures of whole runs; what they hand out is `shop_runs.py`."""

from shop_runs import dagster_home, shop, station

__all__ = ["dagster_home", "shop", "station"]
