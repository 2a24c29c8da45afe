-- Who talks most across zones, last 7 days, and between which: candidates for topology-aware routing.
-- Each side has a row of its own, and pays its own part: only what was sent is shown, so that no byte stands here twice.
SELECT
  namespace,
  workload,
  zone,
  peer_namespace,
  peer_workload,
  peer_zone,
  sum(tx_bytes) AS sent_bytes,
  sum(coalesce(tx_cost, 0)) AS sent_usd
FROM costs_hourly
WHERE date >= current_date - 7 AND traffic_class = 'cross-zone'
GROUP BY ALL
ORDER BY sent_bytes DESC
LIMIT 50;
