-- What each workload sent to the internet in the last 30 days, and what that cost.
SELECT
  cluster,
  namespace,
  workload,
  path,
  sum(tx_bytes) AS sent_bytes,
  sum(tx_cost) AS egress_usd,
  sum(processing_cost) AS processing_usd
FROM costs_hourly
WHERE date >= current_date - 30 AND traffic_class = 'internet'
GROUP BY ALL
ORDER BY sent_bytes DESC;
