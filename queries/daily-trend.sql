-- Cost and bytes by day, and the change against the day before; the last 90 days.
WITH days AS (
  SELECT
    date,
    sum(tx_bytes) AS tx_bytes,
    sum(rx_bytes) AS rx_bytes,
    sum(coalesce(tx_cost, 0) + coalesce(rx_cost, 0) + coalesce(processing_cost, 0)) AS usd
  FROM costs_hourly
  WHERE date >= current_date - 90 AND traffic_class NOT IN ('lost', 'encapsulation')
  GROUP BY date
)
SELECT date, tx_bytes, rx_bytes, usd, usd - lag(usd) OVER (ORDER BY date) AS usd_change
FROM days
ORDER BY date;
