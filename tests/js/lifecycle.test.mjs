import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { json, openHub } from './raw.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

/** A client that is told when others leave the hub. */
async function watch(t, wire, path = '/hub') {
  const watcher = await connect(t, base, wire, path);
  await watcher.invoke('JoinGroup', 'watchers');
  return {
    /** The error text of the connection's end. */
    async gone(id) {
      const events = await watcher.inbox('Gone').until(([gone]) => gone === id);
      return events.at(-1)[1];
    },
  };
}

for (const wire of wires) {
  describe(`lifecycle (${wire.name})`, { concurrency: true }, () => {
    test('connecting with announce=1 calls Connected before anything else (P-HS-15)', async t => {
      const client = await connect(t, base, wire, '/hub?announce=1');
      assert.deepEqual(await client.inbox('Connected').next(), [client.id]);
    });

    test('without it nothing is called', async t => {
      const client = await connect(t, base, wire);
      await client.invoke('Echo', 'x');
      assert.deepEqual(client.inbox('Connected').rest, []);
    });

    test('Gone follows a stop, without an error (P-CLS-06)', async t => {
      const watcher = await watch(t, wire);
      const client = await connect(t, base, wire);
      const { id } = client;
      await client.connection.stop();
      assert.equal(await watcher.gone(id), null);
    });

    test('Abort ends the connection without an error and for good (P-CLS-02, P-CLS-08)', async t => {
      const watcher = await watch(t, wire);
      const client = await connect(t, base, wire, '/hub', { reconnect: true });
      const { id } = client;
      await client.send('Abort');
      assert.equal(await client.closed(), null);
      assert.equal(client.reconnects, 0);
      assert.equal(await watcher.gone(id), null);
    });
  });
}

// The close frames and the Close messages behind those events, over WebSockets.
describe('ends on the wire', { concurrency: true }, () => {
  const wire = wires[0];
  const whoAmI = json({ type: 1, invocationId: 'who', target: 'WhoAmI', arguments: [] });

  async function openNamed(t, path = '/hub') {
    const peer = await openHub(t, base, path);
    peer.send(whoAmI);
    const { result } = await peer.answer('who');
    return { peer, id: result.ConnectionId };
  }

  test('an abort: Close without an error or permission to reconnect, then 1000 (P-CLS-01, P-CLS-03, P-WS-04)', async t => {
    const { peer } = await openNamed(t);
    peer.send(json({ type: 1, target: 'Abort', arguments: [] }));
    assert.deepEqual(await peer.untilClosed(), { messages: [{ type: 7 }], code: 1000 });
  });

  test('a client\'s Close is answered by one (P-CLS-03, P-CLS-07)', async t => {
    const watcher = await watch(t, wire);
    const { peer, id } = await openNamed(t);
    peer.send(json({ type: 7 }));
    assert.deepEqual(await peer.untilClosed(), { messages: [{ type: 7 }], code: 1000 });
    assert.equal(await watcher.gone(id), null);
  });

  test('a client\'s Close with an error reaches the disconnected event (P-CLS-06)', async t => {
    const watcher = await watch(t, wire);
    const { peer, id } = await openNamed(t);
    peer.send(json({ type: 7, error: 'had enough' }));
    assert.deepEqual((await peer.untilClosed()).messages, [{ type: 7 }]);
    assert.equal(await watcher.gone(id), 'had enough');
  });

  test('messages behind a client\'s Close are not read (P-CLS-07)', async t => {
    const { peer } = await openNamed(t);
    peer.send(json({ type: 7 }), whoAmI);
    assert.deepEqual((await peer.untilClosed()).messages, [{ type: 7 }]);
  });

  for (const code of [1000, 1001, 4321]) {
    test(`a client's close frame ${code} is a graceful end (P-WS-06, P-WS-09)`, async t => {
      const watcher = await watch(t, wire);
      const { peer, id } = await openNamed(t);
      peer.close(code);
      assert.equal(await watcher.gone(id), null);
    });
  }

  test('a lost TCP connection is an end without an error (P-WS-06)', async t => {
    const watcher = await watch(t, wire);
    const { peer, id } = await openNamed(t);
    peer.drop();
    assert.equal(await watcher.gone(id), null);
  });

  test('an end in the middle of a message is an error (P-FRM-06)', async t => {
    const watcher = await watch(t, wire);
    const { peer, id } = await openNamed(t);
    peer.send('{"type":1,');
    peer.close(1000);
    assert.equal(await watcher.gone(id), 'Connection terminated while reading a message.');
  });

  test('a malformed message reaches the disconnected event with its reason (P-CLS-06)', async t => {
    const watcher = await watch(t, wire);
    const { peer, id } = await openNamed(t);
    peer.send('{"type":1}\u001e');
    assert.equal(await watcher.gone(id), "Missing required property 'target'.");
  });

  test('text that is no UTF-8 is an error (P-WS-06)', async t => {
    const watcher = await watch(t, wire);
    const { peer, id } = await openNamed(t);
    peer.sendText(Buffer.of(0x22, 0xff, 0x22));
    assert.equal(typeof await watcher.gone(id), 'string');
  });
});
