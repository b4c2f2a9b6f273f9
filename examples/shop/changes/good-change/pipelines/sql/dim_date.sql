-- Every day from the first cart to the last, without gaps.
SELECT
    CAST(strftime(day, '%Y%m%d') AS INTEGER) AS date_key,
    CAST(day AS DATE) AS day,
    year(day) AS year,
    quarter(day) AS quarter,
    month(day) AS month,
    week(day) AS iso_week,
    isodow(day) AS weekday,
    isodow(day) >= 6 AS is_weekend
FROM (
    SELECT unnest(generate_series(min(created_at)::DATE, max(created_at)::DATE, INTERVAL 1 DAY)) AS day
    FROM std_carts
)
