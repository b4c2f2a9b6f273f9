-- One row per line of a purchased cart. Keys are looked up with LEFT JOIN: a line without its customer, product or
-- date stays visible as a null key, and the quality gate finds it.
SELECT
    carts.cart_id || '-' || items.line_number AS sale_id,
    carts.cart_id,
    items.line_number,
    dates.date_key,
    customers.customer_key,
    products.product_key,
    items.quantity,
    items.unit_price_eur,
    items.discount_ratio,
    round(items.quantity * items.unit_price_eur, 2) AS gross_amount_eur,
    round(items.quantity * items.unit_price_eur * (1 - items.discount_ratio), 2) AS net_amount_eur
FROM stg_carts AS carts
JOIN std_cart_items AS items USING (cart_id)
LEFT JOIN dim_customer AS customers USING (user_id)
LEFT JOIN dim_product AS products ON products.sku = items.sku
LEFT JOIN dim_date AS dates ON dates.day = carts.created_at::DATE
WHERE carts.status = 'purchased'
