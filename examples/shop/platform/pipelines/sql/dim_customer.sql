-- Slowly changing dimension, type 2: one row per version of a customer. Versions of a customer touch, never overlap.
WITH changes AS (
    SELECT
        *,
        lag(hash(email, phone, city, country, loyalty_tier)) OVER (PARTITION BY user_id ORDER BY changed_at) AS before,
        hash(email, phone, city, country, loyalty_tier) AS after
    FROM stg_users
),
versions AS (
    SELECT
        *,
        lead(changed_at) OVER (PARTITION BY user_id ORDER BY changed_at) AS next_change
    FROM changes
    WHERE before IS NULL OR before <> after  -- a form saved without a change is no new version
)
SELECT
    CAST(row_number() OVER (ORDER BY user_id, changed_at) AS BIGINT) AS customer_key,
    user_id,
    initials,
    email,
    phone,
    city,
    country,
    loyalty_tier,
    changed_at AS valid_from,
    next_change AS valid_to,
    next_change IS NULL AS is_current
FROM versions
