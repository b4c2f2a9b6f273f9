-- Users without personal data in clear.
SELECT
    user_id,
    changed_at,
    left(first_name, 1) || '.' || left(last_name, 1) || '.' AS initials,
    mask_email(email) AS email,
    mask_phone(phone) AS phone,
    city,
    country,
    loyalty_tier
FROM std_users
