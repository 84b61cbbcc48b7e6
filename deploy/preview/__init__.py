"""What the dashboard and the alerts would show, without a project: ``python -m deploy.preview OUT.png``.

A simulated day is made of lines as the service writes them and of the series that Google keeps. The log-based metrics count the
lines by their own filters (`logging_query`, `log_metrics`), the queries of the tiles are run as they are (`promql`,
`evaluate`), and what comes out is drawn. The tests feed the same with the lines of real processes.
"""
