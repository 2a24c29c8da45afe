-- What each team paid in the last 30 days: one of the labels that are kept (here "team").
SELECT
  labels['team'] AS team,
  sum(tx_bytes) AS tx_bytes,
  sum(rx_bytes) AS rx_bytes,
  -- What has no rate is not in the cost.
  sum(CASE WHEN tx_cost IS NULL OR processing_cost IS NULL THEN tx_bytes ELSE 0 END
    + CASE WHEN rx_cost IS NULL OR processing_cost IS NULL THEN rx_bytes ELSE 0 END) AS unpriced_bytes,
  sum(coalesce(tx_cost, 0) + coalesce(rx_cost, 0) + coalesce(processing_cost, 0)) AS usd
FROM costs_hourly
WHERE date >= current_date - 30 AND traffic_class NOT IN ('lost', 'encapsulation')
GROUP BY ALL
ORDER BY usd DESC;
