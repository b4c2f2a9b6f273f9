-- rows
SELECT COUNT(*) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- rows where
SELECT COUNT(CASE WHEN "n" > 1 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- null
SELECT COUNT(CASE WHEN "n" IS NULL THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- greater
SELECT COUNT(CASE WHEN "n" > 1 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- greater where
SELECT COUNT(CASE WHEN "n" > 1 AND "s" = 'b' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- not between
SELECT COUNT(CASE WHEN NOT "n" BETWEEN 2 AND 5 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- among
SELECT COUNT(CASE WHEN "n" IN (2, 7) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- not among
SELECT COUNT(CASE WHEN NOT "s" IN ('a', 'b') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- decimal
SELECT COUNT(CASE WHEN "price" >= 2.20 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- decimal to float
SELECT COUNT(CASE WHEN "price" < CAST(2.2 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- float equal
SELECT COUNT(CASE WHEN "f" = CAST(0.1 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- below infinity
SELECT COUNT(CASE WHEN "f" < INFINITY() THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- above minus infinity
SELECT COUNT(CASE WHEN "f" > -INFINITY() THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- boolean
SELECT COUNT(CASE WHEN "b" = TRUE THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- day
SELECT COUNT(CASE WHEN "day" = CAST('2024-01-01' AS DATE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- day before
SELECT COUNT(CASE WHEN "day" < CAST('2024-01-01' AS DATE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- time
SELECT COUNT(CASE WHEN "at" >= CAST('2024-02-29 12:30:15.123456' AS TIMESTAMP(6)) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- time one microsecond later
SELECT COUNT(CASE WHEN "at" > CAST('2024-02-29 12:30:15.123456' AS TIMESTAMP(6)) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- text
SELECT COUNT(CASE WHEN "s" = 'it''s' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- text, case counts
SELECT COUNT(CASE WHEN "s" = 'A' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- text, spaces count
SELECT COUNT(CASE WHEN "s" = 'a ' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- matches
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '^[ab]$') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- matches anywhere
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", 't.s') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- matches a class
SELECT COUNT(CASE WHEN REGEXP_LIKE("t", '^[0-9]{4}-[0-9]{2}') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- matches a dot
SELECT COUNT(CASE WHEN REGEXP_LIKE("t", '1\.5') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- does not match
SELECT COUNT(CASE WHEN NOT REGEXP_LIKE("s", 'a') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- like
SELECT COUNT(CASE WHEN "s" LIKE '%t_s' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- length
SELECT COUNT(CASE WHEN LENGTH("s") = 3 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- longest
SELECT MAX(LENGTH("s")) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- as text
SELECT COUNT(CASE WHEN CAST("n" AS VARCHAR) = '2' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- as number
SELECT COUNT(CASE WHEN TRY_CAST("t" AS DOUBLE) = -CAST(150.0 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- not a number
SELECT COUNT(CASE WHEN TRY_CAST("t" AS DOUBLE) IS NULL AND NOT ("t") IS NULL THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- a number as number
SELECT COUNT(CASE WHEN CAST("n" AS DOUBLE) > CAST(1.5 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- as date
SELECT COUNT(CASE WHEN TRY_CAST("t" AS DATE) = CAST('2024-02-29' AS DATE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- not a date
SELECT COUNT(CASE WHEN TRY_CAST("t" AS DATE) IS NULL AND REGEXP_LIKE("t", '^20') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- a time as date
SELECT COUNT(CASE WHEN CAST("at" AS DATE) = CAST('2024-02-29' AS DATE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- as timestamp
SELECT COUNT(CASE WHEN TRY_CAST("t" AS TIMESTAMP(6)) = CAST('2024-02-29 00:00:00' AS TIMESTAMP(6)) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- epoch
SELECT COUNT(CASE WHEN TO_UNIXTIME(CAST("at" AS TIMESTAMP(6))) = CAST(1704067200.000001 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- epoch before
SELECT COUNT(CASE WHEN TO_UNIXTIME(CAST("at" AS TIMESTAMP(6))) = -CAST(1.0 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- epoch of a day
SELECT COUNT(CASE WHEN TO_UNIXTIME(CAST("day" AS TIMESTAMP(6))) = CAST(1704067200.0 AS DOUBLE) THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- not NaN
SELECT COUNT(CASE WHEN IS_NAN("f") THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- no NaN
SELECT COUNT(CASE WHEN NOT IS_NAN("f") THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- minimum
SELECT MIN("n") AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- maximum
SELECT MAX("n") AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- sum
SELECT SUM(CAST("n" AS DECIMAL(38, 0))) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- sum where
SELECT SUM(CAST(CASE WHEN "n" > 1 THEN "n" END AS DECIMAL(38, 0))) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- sum beyond 64 bits
SELECT SUM(CAST("big" AS DECIMAL(38, 0))) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- mean
SELECT AVG(CAST("n" AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- mean of large ones
SELECT AVG(CAST("big" AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- deviation
SELECT STDDEV_SAMP(CAST("n" AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- variance
SELECT VARIANCE(CAST("n" AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- deviation of one
SELECT STDDEV_SAMP(CAST(CASE WHEN "n" = 5 THEN "n" END AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- sum of none
SELECT SUM(CAST(CASE WHEN "n" = 0 THEN "n" END AS DECIMAL(38, 0))) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- sum of decimals
SELECT SUM("price") AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- maximum of decimals
SELECT MAX("price") AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- mean of decimals
SELECT AVG(CAST("price" AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- sum of floats
SELECT SUM("f") AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- mean of floats
SELECT AVG(CAST("f" AS DOUBLE)) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- least text
SELECT MIN("s") AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- different
SELECT COUNT(DISTINCT "n") FROM "shop"."public"."orders" AS headgate_batch;

-- different where
SELECT COUNT(DISTINCT "n") FROM "shop"."public"."orders" AS headgate_batch WHERE "n" < 5;

-- different pairs
SELECT COUNT(*) FROM (SELECT DISTINCT "n" AS headgate_key_0, "s" AS headgate_key_1 FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL AND NOT ("s") IS NULL) AS t;

-- repeated
SELECT SUM(headgate_count) FROM (SELECT "n" AS headgate_key_0, COUNT(*) AS headgate_count FROM "shop"."public"."orders" AS headgate_batch GROUP BY "n" HAVING COUNT(*) > 1) AS t;

-- repeated texts
SELECT SUM(headgate_count) FROM (SELECT "s" AS headgate_key_0, COUNT(*) AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("s") IS NULL GROUP BY "s" HAVING COUNT(*) > 1) AS t;

-- repeated pairs
SELECT SUM(headgate_count) FROM (SELECT "n" AS headgate_key_0, "b" AS headgate_key_1, COUNT(*) AS headgate_count FROM "shop"."public"."orders" AS headgate_batch GROUP BY "n", "b" HAVING COUNT(*) > 1) AS t;

-- values
SELECT "n" AS headgate_value, COUNT(*) AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL GROUP BY "n" ORDER BY headgate_batch."n" NULLS FIRST;

-- values within the limit
SELECT "n" AS headgate_value, COUNT(*) AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL GROUP BY "n" ORDER BY headgate_batch."n" NULLS FIRST LIMIT 5;

-- too many values
SELECT "n" AS headgate_value, COUNT(*) AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL GROUP BY "n" ORDER BY headgate_batch."n" NULLS FIRST LIMIT 4;

-- most frequent value
SELECT headgate_value, headgate_count FROM (SELECT "n" AS headgate_value, COUNT(*) AS headgate_count, MAX(COUNT(*)) OVER () AS headgate_most FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL GROUP BY "n") AS t WHERE headgate_count = headgate_most ORDER BY headgate_value NULLS FIRST LIMIT 2;

-- most frequent values
SELECT headgate_value, headgate_count FROM (SELECT "n" AS headgate_value, COUNT(*) AS headgate_count, MAX(COUNT(*)) OVER () AS headgate_most FROM "shop"."public"."orders" AS headgate_batch WHERE "n" <> 2 AND NOT ("n") IS NULL GROUP BY "n") AS t WHERE headgate_count = headgate_most ORDER BY headgate_value NULLS FIRST;

-- quantiles
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "n" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "n" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL) AS t WHERE headgate_rank BETWEEN 0.0 * headgate_count - 2 AND 0.0 * headgate_count + 2 OR headgate_rank BETWEEN 0.2 * headgate_count - 2 AND 0.2 * headgate_count + 2 OR headgate_rank BETWEEN 0.21 * headgate_count - 2 AND 0.21 * headgate_count + 2 OR headgate_rank BETWEEN 0.5 * headgate_count - 2 AND 0.5 * headgate_count + 2 OR headgate_rank BETWEEN 0.8 * headgate_count - 2 AND 0.8 * headgate_count + 2 OR headgate_rank BETWEEN 1.0 * headgate_count - 2 AND 1.0 * headgate_count + 2;

-- quantiles of texts
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "s" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "s" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE "s" IN ('a', 'b') AND NOT ("s") IS NULL) AS t WHERE headgate_rank BETWEEN 0.0 * headgate_count - 2 AND 0.0 * headgate_count + 2 OR headgate_rank BETWEEN 0.5 * headgate_count - 2 AND 0.5 * headgate_count + 2;

-- median
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "n" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "n" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL) AS t WHERE headgate_rank BETWEEN 0.5 * headgate_count - 2 AND 0.5 * headgate_count + 2;

-- median of four
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "n" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "n" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE "n" > 1 AND NOT ("n") IS NULL) AS t WHERE headgate_rank BETWEEN 0.5 * headgate_count - 2 AND 0.5 * headgate_count + 2 OR headgate_rank BETWEEN 0.25 * headgate_count - 2 AND 0.25 * headgate_count + 2;

-- median of decimals
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "price" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "price" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("price") IS NULL) AS t WHERE headgate_rank BETWEEN 0.5 * headgate_count - 2 AND 0.5 * headgate_count + 2;

-- nearest
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "n" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "n" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL) AS t WHERE headgate_rank BETWEEN 0.1 * headgate_count - 2 AND 0.1 * headgate_count + 2 OR headgate_rank BETWEEN 0.3 * headgate_count - 2 AND 0.3 * headgate_count + 2 OR headgate_rank BETWEEN 0.625 * headgate_count - 2 AND 0.625 * headgate_count + 2 OR headgate_rank BETWEEN 1.0 * headgate_count - 2 AND 1.0 * headgate_count + 2;

-- quantiles of none
SELECT headgate_rank, headgate_count, headgate_value FROM (SELECT "n" AS headgate_value, ROW_NUMBER() OVER (ORDER BY "n" NULLS FIRST) AS headgate_rank, COUNT(*) OVER () AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE "n" = 0 AND NOT ("n") IS NULL) AS t WHERE headgate_rank BETWEEN 0.5 * headgate_count - 2 AND 0.5 * headgate_count + 2;

-- json
SELECT COUNT(CASE WHEN CASE WHEN NOT ("t") IS NULL THEN NOT (TRY(JSON_PARSE("t"))) IS NULL END THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- rows of a condition
SELECT headgate_batch."id", headgate_batch."n" FROM "shop"."public"."orders" AS headgate_batch WHERE "n" > 1 LIMIT 20;

-- rows repeated
SELECT headgate_shown_0, headgate_count FROM (SELECT "id" AS headgate_shown_0, COUNT(*) OVER (PARTITION BY "n", "f") AS headgate_count FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("s") IS NULL) AS t WHERE headgate_count > 1 LIMIT 20;

-- orphans
SELECT COUNT(*) FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL AND NOT ("s") IS NULL AND NOT EXISTS(SELECT 1 FROM "shop"."public"."customers" AS o WHERE o."k" = headgate_batch."n" AND o."v" = headgate_batch."s");

-- orphans of another schema
SELECT COUNT(*) FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL AND NOT EXISTS(SELECT 1 FROM "shop"."other"."customers" AS o WHERE o."k" = headgate_batch."n");

-- rows orphaned
SELECT headgate_batch."id" FROM "shop"."public"."orders" AS headgate_batch WHERE NOT ("n") IS NULL AND NOT ("s") IS NULL AND NOT EXISTS(SELECT 1 FROM "shop"."public"."customers" AS o WHERE o."k" = headgate_batch."n" AND o."v" = headgate_batch."s") LIMIT 20;

-- rows of another
SELECT COUNT(*) FROM "shop"."public"."customers";

-- a query
SELECT COUNT(*) OVER () AS headgate_count, q.* FROM (
SELECT id FROM (SELECT * FROM "shop"."public"."orders" WHERE "n" < 7) WHERE n > 1
) AS q LIMIT 200;

-- hostile value 0
SELECT COUNT(CASE WHEN "s" = '''; drop table victims; --' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 0
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '''; drop table victims; --') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 1
SELECT COUNT(CASE WHEN "s" = '\''; drop table victims; --' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 1
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '\''; drop table victims; --') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 2
SELECT COUNT(CASE WHEN "s" = '\' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 2
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '\') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 3
SELECT COUNT(CASE WHEN "s" = 'double " quote' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 3
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", 'double " quote') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 4
SELECT COUNT(CASE WHEN "s" = '`tick`' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 4
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '`tick`') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 5
SELECT COUNT(CASE WHEN "s" = 'line
break	tab' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 5
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", 'line
break	tab') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 6
SELECT COUNT(CASE WHEN "s" = '%s %(x)s {batch} ? :x $1' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 6
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '%s %(x)s {batch} ? :x $1') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 7
SELECT COUNT(CASE WHEN "s" = '/* comment */ -- x' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 7
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '/* comment */ -- x') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 8
SELECT COUNT(CASE WHEN "s" = 'ünï 𝕏' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 8
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", 'ünï 𝕏') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 9
SELECT COUNT(CASE WHEN "s" = '' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 9
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 10
SELECT COUNT(CASE WHEN "s" = ' ' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 10
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", ' ') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 11
SELECT COUNT(CASE WHEN "s" = '' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 11
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", '') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile value 12
SELECT COUNT(CASE WHEN "s" = 'NULL' THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile pattern 12
SELECT COUNT(CASE WHEN REGEXP_LIKE("s", 'NULL') THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 0
SELECT COUNT(CASE WHEN "'; drop table victims; --" = 0 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 1
SELECT COUNT(CASE WHEN "a""; drop table victims; --" = 1 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 2
SELECT COUNT(CASE WHEN "a`b" = 2 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 3
SELECT COUNT(CASE WHEN "a]b" = 3 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 4
SELECT COUNT(CASE WHEN "new
line" = 4 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 5
SELECT COUNT(CASE WHEN "back\slash" = 5 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 6
SELECT COUNT(CASE WHEN "ünï ∂" = 6 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 7
SELECT COUNT(CASE WHEN "select" = 7 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 8
SELECT COUNT(CASE WHEN "a.b" = 8 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 9
SELECT COUNT(CASE WHEN "per%cent %s" = 9 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 10
SELECT COUNT(CASE WHEN "{batch}" = 10 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 11
SELECT COUNT(CASE WHEN "question?mark :colon $1" = 11 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;

-- hostile name 12
SELECT COUNT(CASE WHEN "UPPER" = 12 THEN 1 END) AS m0 FROM "shop"."public"."orders" AS headgate_batch;
