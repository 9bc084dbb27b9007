// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('assert');
const Redis = require('ioredis');

async function main(port) {
  const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 1 });
  redis.on('error', (problem) => { throw problem; });
  assert.strictEqual(await redis.set('k', 'v', 'EX', 100), 'OK');
  assert.strictEqual(await redis.get('k'), 'v');
  assert.deepStrictEqual(await redis.getBuffer('k'), Buffer.from('v'));
  assert.ok(await redis.ttl('k') > 90);
  await redis.mset({ a: 1, b: 2 });
  assert.deepStrictEqual(await redis.mget('a', 'b', 'c'), ['1', '2', null]);
  await assert.rejects(redis.incr('k'), /not an integer/);

  const pipeline = redis.pipeline();
  for (let i = 0; i < 1000; ++i) pipeline.incr('n');
  const replies = await pipeline.exec();
  assert.strictEqual(replies[999][1], 1000);
  assert.deepStrictEqual(await redis.multi().set('m', 1).incr('m').exec(), [[null, 'OK'], [null, 2]]);

  const listener = redis.duplicate();
  const heard = new Promise((done) => listener.on('message', (...words) => done(words)));
  await listener.subscribe('news');
  assert.strictEqual(await redis.publish('news', 'hello'), 1);
  assert.deepStrictEqual(await heard, ['news', 'hello']);

  const seen = new Set();
  for await (const keys of redis.scanStream({ match: '*', count: 2 })) keys.forEach((key) => seen.add(key));
  assert.deepStrictEqual([...seen].sort(), ['a', 'b', 'k', 'm', 'n']);
  await listener.quit();
  await redis.quit();
}

main(Number(process.argv[2])).catch((problem) => { console.error(problem); process.exit(1); });
