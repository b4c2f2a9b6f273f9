-- Carts without personal data in clear.
SELECT
    cart_id,
    user_id,
    created_at,
    status,
    mask_email(contact_email) AS contact_email,
    mask_phone(contact_phone) AS contact_phone,
    lines
FROM std_carts
