"""What the service costs: prices with their sources, a month's bill, the cheapest architecture, one request.

`marginal` serves the running service; all else is the command ``python -m kas.cost``, which needs nothing
but the standard library (``--plot`` alone wants matplotlib). Amounts are US dollars before taxes and discounts, a month
has 30 days of traffic and, where Google prices hours, 730 of them.
"""
