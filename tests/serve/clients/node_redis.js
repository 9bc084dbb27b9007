// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('assert');
const { createClient } = require('redis');

async function main(port) {
  const url = `redis://127.0.0.1:${port}`;
  const client = createClient({ url, RESP: 3 });
  client.on('error', (problem) => { throw problem; });
  await client.connect();
  assert.strictEqual(await client.set('k', 'v', { EX: 100 }), 'OK');
  assert.strictEqual(await client.get('k'), 'v');
  assert.deepStrictEqual(await client.mGet(['k', 'absent']), ['v', null]);
  const numbers = await Promise.all(Array.from({ length: 1000 }, () => client.incr('n')));
  assert.strictEqual(numbers[999], 1000);
  assert.deepStrictEqual(await client.multi().set('m', '1').incr('m').exec(), ['OK', 2]);
  assert.deepStrictEqual({ ...(await client.configGet('databases')) }, { databases: '16' });
  await assert.rejects(client.incr('k'), /not an integer/);

  const listener = client.duplicate();
  await listener.connect();
  let hear;
  const heard = new Promise((done) => { hear = done; });
  await listener.subscribe('news', (message) => hear(message));
  assert.strictEqual(await client.publish('news', 'hello'), 1);
  assert.strictEqual(await heard, 'hello');
  await listener.close();

  // A cache in the client, kept right by CLIENT TRACKING.
  const cached = createClient({ url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } });
  cached.on('error', (problem) => { throw problem; });
  await cached.connect();
  assert.strictEqual(await cached.get('k'), 'v');
  assert.strictEqual(await cached.get('k'), 'v');
  await client.set('k', 'w');
  for (let i = 0; i < 1000 && await cached.get('k') !== 'w'; ++i) await new Promise((done) => setTimeout(done, 10));
  assert.strictEqual(await cached.get('k'), 'w');
  await cached.close();
  await client.close();
}

main(Number(process.argv[2])).catch((problem) => { console.error(problem); process.exit(1); });
