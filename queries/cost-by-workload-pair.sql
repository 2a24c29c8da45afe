-- Which workload paid for which traffic with whom, last 7 days: the 100 dearest pairs.
SELECT
  namespace,
  workload,
  coalesce(peer_namespace || '/' || peer_workload, peer_name, '(' || peer_kind || ')') AS peer,
  traffic_class,
  sum(tx_bytes) AS tx_bytes,
  sum(rx_bytes) AS rx_bytes,
  -- What has no rate is not in the cost.
  sum(CASE WHEN tx_cost IS NULL OR processing_cost IS NULL THEN tx_bytes ELSE 0 END
    + CASE WHEN rx_cost IS NULL OR processing_cost IS NULL THEN rx_bytes ELSE 0 END) AS unpriced_bytes,
  sum(coalesce(tx_cost, 0) + coalesce(rx_cost, 0) + coalesce(processing_cost, 0)) AS usd
FROM costs_hourly
WHERE date >= current_date - 7 AND traffic_class NOT IN ('lost', 'encapsulation')
GROUP BY ALL
ORDER BY usd DESC, sum(tx_bytes + rx_bytes) DESC
LIMIT 100;
