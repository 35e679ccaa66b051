import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

for (const wire of wires) {
  describe(`plain calls (${wire.name})`, { concurrency: true }, () => {
    test('Echo returns what it got, whatever the script', async t => {
      const client = await connect(t, base, wire);
      for (const text of ['hello', '', 'Grüße, 世界 😀', '"\\/\b\f\n\r\t\u0000\u001e\u2028', '<>&\'+']) {
        assert.equal(await client.invoke('Echo', text), text);
      }
    });

    test('Echo of null is null (P-INV-08)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('Echo', null), null);
    });

    test('Echo of 30,000 characters stays below the default limit (P-LIM-01)', async t => {
      const client = await connect(t, base, wire);
      const text = 'x'.repeat(30_000);
      assert.equal(await client.invoke('Echo', text), text);
    });

    test('EchoObject keeps every member, nested objects included', async t => {
      const client = await connect(t, base, wire);
      const leaf = { Name: 'leaf ✓', Value: -2147483648, Ratio: -0.125, Tags: [], Child: null };
      const sample = { Name: 'root', Value: 2147483647, Ratio: 1e300, Tags: ['a', '', 'ü'], Child: leaf };
      assert.deepEqual(await client.invoke('EchoObject', sample), sample);
    });

    test('EchoObject takes a whole number for a double (P-MP-10)', async t => {
      const client = await connect(t, base, wire);
      const sample = { Name: '', Value: 0, Ratio: 3, Tags: [], Child: null };
      assert.deepEqual(await client.invoke('EchoObject', sample), sample);
    });

    test('members in JSON are read whatever their case: the .NET client sends camelCase (P-JSON-17)',
      { skip: wire.binary && 'in MessagePack the case counts (P-MP-10)' }, async t => {
        const client = await connect(t, base, wire);
        assert.deepEqual(await client.invoke('EchoObject', { name: 'n', value: 1, RATIO: 2.5, tags: ['t'], child: null }),
          { Name: 'n', Value: 1, Ratio: 2.5, Tags: ['t'], Child: null });
      });

    test('EchoObject of null is null (P-INV-08)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('EchoObject', null), null);
    });

    test('EchoBytes: bin in MessagePack (P-MP-09), base64 in JSON (P-JSON-17)', async t => {
      const client = await connect(t, base, wire);
      for (const bytes of [Uint8Array.of(), Uint8Array.of(0, 1, 127, 128, 255), new Uint8Array(1000).fill(0x1e)]) {
        const argument = wire.binary ? bytes : Buffer.from(bytes).toString('base64');
        const result = await client.invoke('EchoBytes', argument);
        if (wire.binary) assert.ok(result instanceof Uint8Array);
        const echoed = wire.binary ? Buffer.from(result) : result;
        assert.deepEqual(echoed, wire.binary ? Buffer.from(bytes) : argument);
      }
    });

    test('Add adds 32-bit numbers and wraps', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('Add', 2, 3), 5);
      assert.equal(await client.invoke('Add', -7, 3), -4);
      assert.equal(await client.invoke('Add', 2147483647, 1), -2147483648);
      assert.equal(await client.invoke('Add', -2147483648, -1), 2147483647);
    });

    test('Join takes null for its second argument (P-INV-08)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('Join', 'a', 'b'), 'a-b');
      assert.equal(await client.invoke('Join', 'a', ''), 'a-');
      assert.equal(await client.invoke('Join', 'a', null), 'a');
    });

    test('Nothing completes with a null result (P-INV-12)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('Nothing'), null);
    });

    test('a method is found whatever the case of its name (P-INV-01)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('eCHO', 'x'), 'x');
    });

    test('WhoAmI knows the connection id and no user of an anonymous caller (P-AUTH-06)', async t => {
      const client = await connect(t, base, wire);
      assert.deepEqual(await client.invoke('WhoAmI'), { ConnectionId: client.id, UserId: null, Role: null });
    });

    test('Transport names the transport', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('Transport'), wire.transport);
    });

    test('Header and Query read the request that opened the connection', async t => {
      const client = await connect(t, base, wire, '/hub?color=light%20blue&empty=', { headers: { 'X-Color': 'red' } });
      assert.equal(await client.invoke('Header', 'x-color'), 'red');
      assert.equal(await client.invoke('Header', 'X-Missing'), null);
      assert.equal(await client.invoke('Query', 'color'), 'light blue');
      assert.equal(await client.invoke('Query', 'COLOR'), 'light blue');
      assert.equal(await client.invoke('Query', 'empty'), '');
      assert.equal(await client.invoke('Query', 'missing'), null);
    });

    test('Sleep answers with its argument', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await client.invoke('Sleep', 5), 5);
    });

    test('many calls at once each get their own answer (P-INV-10)', async t => {
      const client = await connect(t, base, wire);
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      assert.deepEqual(await Promise.all(numbers.map(i => client.invoke('Add', i, 1))), numbers.map(i => i + 1));
    });
  });
}
