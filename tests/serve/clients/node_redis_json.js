// SPDX-License-Identifier: Apache-2.0
'use strict';
const assert = require('assert');
const { createClient } = require('redis');

async function documents(client) {
  const j = client.json;
  const value = { name: 'x', n: 1, list: [1, 'two', { three: 3 }], deep: { n: 2.5, flag: true } };
  assert.strictEqual(await j.set('d', '$', value), 'OK');
  assert.strictEqual(await j.set('d', '$', {}, { NX: true }), null);
  assert.strictEqual(await j.set('d', '$.late', 'bird', { XX: true }), null);
  assert.deepStrictEqual(await j.get('d'), value);
  assert.deepStrictEqual(await j.get('d', { path: '$..n' }), [1, 2.5]);
  assert.deepStrictEqual(await j.get('d', { path: '.list[2].three' }), 3);
  assert.deepStrictEqual(await j.get('d', { path: ['$.n', '$.name'] }), { '$.n': [1], '$.name': ['x'] });
  assert.strictEqual(await j.get('absent'), null);
  await j.set('e', '$', { n: 7 });
  assert.deepStrictEqual(await j.mGet(['d', 'e', 'absent'], '$.n'), [[1], [7], null]);
  assert.strictEqual(await j.mSet([{ key: 'm1', path: '$', value: { a: 1 } }, { key: 'm2', path: '$', value: [2] }]), 'OK');
  assert.deepStrictEqual(await j.get('m2'), [2]);
  assert.strictEqual(await j.merge('m1', '$', { b: 2, a: null }), 'OK');
  assert.deepStrictEqual(await j.get('m1'), { b: 2 });
  assert.deepStrictEqual(await j.type('d', { path: '$.list' }), ['array']);
  assert.deepStrictEqual(await j.numIncrBy('d', '$..n', 2), [3, 4.5]);
  assert.deepStrictEqual(await j.numMultBy('d', '$.n', 2), [6]);
  assert.deepStrictEqual(await j.strAppend('d', 'yz', { path: '$.name' }), [3]);
  assert.deepStrictEqual(await j.strLen('d', { path: '$.name' }), [3]);
  assert.deepStrictEqual(await j.arrAppend('d', '$.list', 4, { five: 5 }), [5]);
  assert.deepStrictEqual(await j.arrLen('d', { path: '$.list' }), [5]);
  assert.deepStrictEqual(await j.arrIndex('d', '$.list', 'two'), [1]);
  assert.deepStrictEqual(await j.arrInsert('d', '$.list', 0, 'zero'), [6]);
  assert.deepStrictEqual(await j.arrPop('d', { path: '$.list' }), [{ five: 5 }]);
  assert.deepStrictEqual(await j.arrTrim('d', '$.list', 0, 1), [2]);
  assert.deepStrictEqual(await j.get('d', { path: '$.list' }), [['zero', 1]]);
  assert.deepStrictEqual(await j.toggle('d', '$.deep.flag'), [0]);
  assert.deepStrictEqual(await j.objKeys('d', { path: '$.deep' }), [['n', 'flag']]);
  assert.deepStrictEqual(await j.objLen('d', { path: '$.deep' }), [2]);
  assert.strictEqual(await j.clear('d', { path: '$.list' }), 1);
  assert.strictEqual(await j.del('d', { path: '$.list' }), 1);
  assert.strictEqual(await j.forget('d'), 1);
  assert.strictEqual(await client.type('e'), 'ReJSON-RL');
  await assert.rejects(client.get('e'), /WRONGTYPE/);
  const replies = await client.multi().json.set('t', '$', { a: [] }).json.arrAppend('t', '$.a', 1).json.get('t').exec();
  assert.deepStrictEqual(replies, ['OK', [1], { a: [1] }]);
  await client.flushAll();
}

async function main(port) {
  for (const RESP of [2, 3]) {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP });
    client.on('error', (problem) => { throw problem; });
    await client.connect();
    await documents(client);
    await client.close();
  }
}

main(Number(process.argv[2])).catch((problem) => { console.error(problem); process.exit(1); });
