-- SPDX-License-Identifier: Apache-2.0
-- 700 k rows, an index, an aggregate that grows one long string.
CREATE TABLE orders(id INTEGER PRIMARY KEY, name TEXT, price REAL);
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 700000)
INSERT INTO orders SELECT n, 'order number ' || n || ' of many', n * 1.5 FROM numbers;
CREATE INDEX orders_by_name ON orders(name);
SELECT count(*), sum(length(name)) FROM orders;
SELECT length(group_concat(name)) FROM orders WHERE id < 200000;
