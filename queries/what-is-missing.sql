-- What the sums of the last 30 days do not say: traffic that was lost, has no known class, or has no rate.
SELECT 'lost: ' || coalesce(loss_reason, 'unknown') AS what,
  count(DISTINCT window_start) AS hours,
  sum(tx_bytes) AS known_bytes,
  sum(lost_bytes_max) AS at_most_bytes
FROM costs_hourly
WHERE date >= current_date - 30 AND traffic_class = 'lost'
GROUP BY ALL
UNION ALL
SELECT CASE traffic_class WHEN 'unknown' THEN 'unknown class' ELSE 'no rate: ' || traffic_class END,
  count(DISTINCT window_start),
  coalesce(sum(tx_bytes) FILTER (tx_cost IS NULL), 0) + coalesce(sum(rx_bytes) FILTER (rx_cost IS NULL), 0),
  NULL
FROM costs_hourly
WHERE date >= current_date - 30
  AND traffic_class NOT IN ('lost', 'encapsulation')
  AND ((tx_cost IS NULL AND tx_bytes > 0) OR (rx_cost IS NULL AND rx_bytes > 0))
GROUP BY ALL
ORDER BY what;
