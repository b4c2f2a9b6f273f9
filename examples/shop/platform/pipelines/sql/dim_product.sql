SELECT
    CAST(row_number() OVER (ORDER BY sku) AS BIGINT) AS product_key,
    sku,
    name,
    category,
    price_eur,
    active
FROM std_products
