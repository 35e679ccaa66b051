import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { json, messagePack, openHub } from './raw.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

const closedWithAnError = { type: 7, error: 'Connection closed with an error.', allowReconnect: true };

describe('/hub-small, at most 1,024 bytes a message', { concurrency: true }, () => {
  const limit = 1024;

  /** A call of exactly this many bytes, framing included. */
  const forms = {
    json: size => {
      const call = text => Buffer.from(json({ type: 1, invocationId: '1', target: 'Echo', arguments: [text] }));
      return call('x'.repeat(size - call('').length));
    },
    messagepack: size => {
      const call = text => messagePack([1, {}, '1', 'Echo', [text], []]);
      const overhead = call('x'.repeat(size / 2)).length - size / 2;
      return call('x'.repeat(size - overhead));
    },
  };

  for (const [protocol, call] of Object.entries(forms)) {
    test(`${protocol}: a message of exactly the limit passes (P-LIM-01)`, async t => {
      const peer = await openHub(t, base, '/hub-small', protocol);
      const message = call(limit);
      assert.equal(message.length, limit);
      peer.send(message);
      const answer = await peer.next();
      assert.equal(answer.invocationId ?? answer[2], '1');
    });

    test(`${protocol}: a byte more ends the connection (P-LIM-30, P-CLS-03)`, async t => {
      const peer = await openHub(t, base, '/hub-small', protocol);
      const message = call(limit + 1);
      assert.equal(message.length, limit + 1);
      peer.send(message);
      const { messages, code } = await peer.untilClosed();
      assert.deepEqual(messages,
        [protocol === 'json' ? closedWithAnError : [7, closedWithAnError.error, closedWithAnError.allowReconnect]]);
      assert.equal(code, 1000);
    });

    test(`${protocol}: small messages that are more together pass (P-LIM-30)`, async t => {
      const peer = await openHub(t, base, '/hub-small', protocol);
      peer.send(...Array(10).fill(call(300)));
      for (let i = 0; i < 10; i++) await peer.next();
    });
  }

  test('an unfinished message above the limit ends the connection (P-LIM-30)', async t => {
    const peer = await openHub(t, base, '/hub-small');
    peer.send(forms.json(2000).subarray(0, 1500));
    assert.deepEqual((await peer.untilClosed()).messages, [closedWithAnError]);
  });

  for (const wire of wires) {
    test(`the official client is told (${wire.name})`, async t => {
      const client = await connect(t, base, wire, '/hub-small');
      await assert.rejects(client.invoke('Echo', 'x'.repeat(2000)));
      assert.equal((await client.closed()).message,
        'Server returned an error on close: Connection closed with an error.');
    });
  }
});

test('the default limit is 32,768 bytes; with detail on the Close names it (P-LIM-01, P-LIM-30)', async t => {
  const peer = await openHub(t, base, '/hub-detailed');
  peer.send(json({ type: 1, invocationId: '1', target: 'Echo', arguments: ['x'.repeat(32_768)] }));
  const { messages: [{ error }] } = await peer.untilClosed();
  assert.equal(error, 'Connection closed with an error. InvalidDataException: The maximum message size of 32768B was exceeded. '
    + 'The message size can be configured in AddHubOptions.');
});

describe('/hub-fast: keep-alive 1 s, client timeout 3 s', { concurrency: true }, () => {
  const ping = json({ type: 6 });
  const echo = json({ type: 1, invocationId: '1', target: 'Echo', arguments: ['x'] });

  test('the server pings (P-PING-01)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    assert.deepEqual(await peer.nextPing(), { type: 6 });
    await peer.nextPing();
  });

  test('its MessagePack ping is an array of one (P-VEC-02)', async t => {
    const peer = await openHub(t, base, '/hub-fast', 'messagepack');
    assert.deepEqual(await peer.nextPing(), [6]);
  });

  test('a client that never pings is not timed out (P-PING-04)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    // One message, then silence well beyond the client timeout, as told by the server's pings.
    peer.send(echo);
    for (let i = 0; i < 5; i++) await peer.nextPing();
    peer.send(echo);
    await peer.answer('1');
    await peer.answer('1');
  });

  test('a ping arms the client timeout (P-PING-04, P-PING-07)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    peer.send(ping);
    const { messages, code } = await peer.untilClosed();
    assert.deepEqual(messages, [closedWithAnError]);
    assert.equal(code, 1000);
  });

  test('its text reaches the disconnected event (P-PING-07)', async t => {
    const watcher = await openHub(t, base, '/hub-fast');
    watcher.send(json({ type: 1, target: 'JoinGroup', arguments: ['watchers'] }));
    const peer = await openHub(t, base, '/hub-fast');
    peer.send(json({ type: 1, invocationId: '1', target: 'WhoAmI', arguments: [] }), ping);
    const { result: { ConnectionId } } = await peer.answer('1');
    let gone;
    do gone = await watcher.next(); while (gone.arguments[0] !== ConnectionId);
    assert.equal(gone.arguments[1], "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.");
  });

  test('any message keeps a client alive, and pings are not answered (P-PING-05, P-PING-08)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    peer.send(ping);
    for (let i = 0; i < 5; i++) {
      await peer.nextPing();
      peer.send(i % 2 ? ping : echo);
      if (i % 2 === 0) await peer.answer('1');
    }
  });

  test('bytes of an unfinished message do not (P-PING-06)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    peer.send(ping, '{"type":1,"arguments":["');
    const drip = setInterval(() => peer.send('x'), 200);
    t.after(() => clearInterval(drip));
    assert.deepEqual((await peer.untilClosed()).messages, [closedWithAnError]);
  });

  test('WebSocket pings do not either (P-WS-10)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    peer.send(ping);
    const drip = setInterval(() => peer.pingWebSocket(), 200);
    t.after(() => clearInterval(drip));
    assert.deepEqual((await peer.untilClosed()).messages, [closedWithAnError]);
  });

  test('a call that runs longer than the client timeout does not time its client out (P-PING-05)', async t => {
    const peer = await openHub(t, base, '/hub-fast');
    // The second call parks the read loop behind the first (P-INV-20).
    peer.send(ping, json({ type: 1, invocationId: 's', target: 'Sleep', arguments: [4500] }), echo);
    assert.equal((await peer.answer('s')).result, 4500);
    await peer.answer('1');
  });

  // Long polling has no pings, and so no client timeout (P-LP-13).
  for (const wire of wires.filter(({ transport }) => transport !== 'LongPolling')) {
    test(`the official client stays while it pings (${wire.name})`, async t => {
      const client = await connect(t, base, wire, '/hub-fast', { keepAlive: 1000 });
      assert.deepEqual(await client.collect('Counter', 5, 1000), { items: [0, 1, 2, 3, 4], error: null });
    });

    test(`the official client is timed out when it does not (${wire.name})`, async t => {
      const client = await connect(t, base, wire, '/hub-fast', { keepAlive: 60_000 });
      assert.equal((await client.closed()).message,
        'Server returned an error on close: Connection closed with an error.');
    });
  }
});

describe('parallel calls', { concurrency: true }, () => {
  const milliseconds = [800, 600, 400, 200];

  for (const wire of wires) {
    /** The results of these sleeps, called at once, in the order of their arrival. */
    async function finished(client, sleeps) {
      const order = [];
      await Promise.all(sleeps.map(async ms => order.push(await client.invoke('Sleep', ms))));
      return order;
    }

    test(`four calls overlap on /hub-parallel, a fifth waits (P-INV-20, P-INV-22, P-LIM-07) (${wire.name})`, async t => {
      const client = await connect(t, base, wire, '/hub-parallel');
      assert.deepEqual(await finished(client, [...milliseconds, 1]), [200, 1, 400, 600, 800]);
    });

    test(`on /hub they run one after the other (P-INV-20, P-INV-22) (${wire.name})`, async t => {
      const client = await connect(t, base, wire);
      assert.deepEqual(await finished(client, [40, 30, 20, 10]), [40, 30, 20, 10]);
    });
  }
});
