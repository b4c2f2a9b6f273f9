SELECT
    sku,
    trim(name) AS name,
    lower(category) AS category,
    round(price_eur, 2) AS price_eur,
    active
FROM raw_products
