-- SPDX-License-Identifier: Apache-2.0
--
-- workload.sql: what `make run` records. 700 000 rows into an in-memory database, an index, one very
-- long string and a grouped sort: about two seconds, 2 M allocations, and a handful of places where
-- sqlite grows a buffer again and again.
--
--   ullage record -o sqlite3.ulg -- sqlite3 :memory: ".read examples/sqlite/workload.sql"
.bail on
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, name TEXT, note TEXT, cents INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700000)
INSERT INTO orders
  SELECT i, (i * 7919) % 50021, printf('order-%08d', (i * 104729) % 700001),
         hex(i * 2654435761), i % 9973
  FROM n;
CREATE INDEX orders_by_name ON orders(name);
SELECT count(*), length(group_concat(name)) FROM orders;
SELECT count(*) FROM (SELECT customer, sum(cents) AS s FROM orders GROUP BY customer HAVING s > 1000 ORDER BY s);
