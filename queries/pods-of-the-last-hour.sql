-- Pods and addresses, which hourly sums do not have: the dearest of the last hour, minute by minute where it matters.
SELECT
  node,
  namespace,
  pod,
  traffic_class,
  coalesce(peer_pod, peer_name, peer_ip) AS peer,
  port,
  sum(tx_bytes) AS tx_bytes,
  sum(rx_bytes) AS rx_bytes,
  sum(coalesce(tx_cost, 0) + coalesce(rx_cost, 0) + coalesce(processing_cost, 0)) AS usd
FROM flows
WHERE date >= current_date - 1
  AND window_start >= now() - INTERVAL 1 HOUR
  AND traffic_class NOT IN ('lost', 'encapsulation')
GROUP BY ALL
ORDER BY usd DESC, sum(tx_bytes + rx_bytes) DESC
LIMIT 100;
