-- One row per line of a cart, numbered from 1.
SELECT
    cart_id,
    CAST(line AS INTEGER) AS line_number,
    items[line].sku AS sku,
    items[line].quantity AS quantity,
    round(items[line].unit_price_eur, 2) AS unit_price_eur,
    items[line].discount_percent / 100.0 AS discount_ratio
FROM (SELECT cart_id, items, unnest(range(1, len(items) + 1)) AS line FROM raw_carts)
