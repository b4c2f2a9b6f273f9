-- One row per cart, still with personal data.
SELECT
    cart_id,
    user_id,
    CAST(left(created_at, 19) AS TIMESTAMP) AS created_at,  -- raw times are UTC
    status,
    lower(trim(contact.email)) AS contact_email,
    contact.phone AS contact_phone,
    CAST(len(items) AS INTEGER) AS lines
FROM raw_carts
