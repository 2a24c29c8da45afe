-- How sure the cost of the last 30 days is, and by which price book.
SELECT
  price_book,
  price_basis,
  traffic_class,
  sum(tx_bytes) AS tx_bytes,
  sum(rx_bytes) AS rx_bytes,
  sum(coalesce(tx_cost, 0) + coalesce(rx_cost, 0) + coalesce(processing_cost, 0)) AS usd
FROM costs_hourly
WHERE date >= current_date - 30 AND traffic_class NOT IN ('lost', 'encapsulation')
GROUP BY ALL
ORDER BY usd DESC, price_book, price_basis, traffic_class;
