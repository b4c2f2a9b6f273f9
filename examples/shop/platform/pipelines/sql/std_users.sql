-- One row per change of a user: types and spelling as everywhere else, still with personal data.
SELECT
    user_id,
    CAST(left(changed_at, 19) AS TIMESTAMP) AS changed_at,  -- raw times are UTC
    trim(first_name) AS first_name,
    trim(last_name) AS last_name,
    lower(trim(email)) AS email,
    phone,
    city,
    upper(country) AS country,
    loyalty_tier
FROM raw_users
