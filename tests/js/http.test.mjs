import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { transports } from './client.mjs';
import { negotiate, openHub, openSocket, refusedSocket } from './raw.mjs';
import { startServer } from './server.mjs';
import { within } from './waiting.mjs';

const base = await startServer();

const post = (path, body) => fetch(base + path, { method: 'POST', body });

/** Status, content type and body of a response, for comparison at once. */
async function summary(response) {
  return [response.status, response.headers.get('content-type'), await response.text()];
}

/** The status of the answer to this head, which no client would send. */
async function status(...lines) {
  const { hostname, port } = new URL(base);
  const socket = connect(port, hostname);
  socket.write([...lines, '', ''].join('\r\n'));
  const [answer] = await within(once(socket, 'data'), 'an answer');
  socket.destroy();
  return Number(answer.toString().split(' ')[1]);
}

describe('negotiation', { concurrency: true }, () => {
  test('version 1: members, their order and the ids (P-NEG-05, P-NEG-06, P-NEG-10)', async () => {
    const response = await post('/hub/negotiate?negotiateVersion=1');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.ok(Number(response.headers.get('content-length')) > 0);
    const reply = await response.json();
    assert.deepEqual(Object.keys(reply), ['negotiateVersion', 'connectionId', 'connectionToken', 'availableTransports']);
    assert.equal(reply.negotiateVersion, 1);
    assert.match(reply.connectionId, /^[\w-]{22}$/);
    // The token may hold more than 16 random bytes, and the id among them. That the id is no token is tested below.
    assert.match(reply.connectionToken, /^[\w-]{22,}$/);
    assert.notEqual(reply.connectionToken, reply.connectionId);
  });

  test('ids are never the same (P-NEG-10)', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => negotiate(base, '/hub')));
    const ids = replies.flatMap(({ connectionId, connectionToken }) => [connectionId, connectionToken]);
    assert.equal(new Set(ids).size, 40);
  });

  for (const query of ['', '?negotiateVersion=0']) {
    test(`version 0, asked for by "${query}", has no token apart from the id (P-NEG-03, P-NEG-06)`, async t => {
      const reply = await (await post(`/hub/negotiate${query}`)).json();
      assert.deepEqual(Object.keys(reply), ['negotiateVersion', 'connectionId', 'availableTransports']);
      assert.equal(reply.negotiateVersion, 0);
      await openSocket(t, base, `/hub?id=${reply.connectionId}`);
    });
  }

  for (const query of ['negotiateVersion=7', 'NEGOTIATEVERSION=1', 'x=y&negotiateVersion=1']) {
    test(`${query} is answered with version 1 (P-NEG-03)`, async () => {
      assert.equal((await negotiate(base, `/hub?${query}`)).negotiateVersion, 1);
    });
  }

  for (const version of ['one', '1.5']) {
    test(`version ${version} is an error (P-NEG-05, P-NEG-08)`, async () => {
      const response = await post(`/hub/negotiate?negotiateVersion=${version}`);
      assert.deepEqual(await summary(response),
        [200, 'application/json', '{"error":"The client requested a non-integer protocol version."}']);
    });
  }

  test('a version below the lowest is an error (P-NEG-08)', async () => {
    assert.deepEqual(await negotiate(base, '/hub?negotiateVersion=-1'),
      { error: "The client requested version '-1', but the server does not support this version." });
  });

  test('transports come in order, with their formats (P-NEG-07)', async () => {
    const all = [
      { transport: 'WebSockets', transferFormats: ['Text', 'Binary'] },
      { transport: 'ServerSentEvents', transferFormats: ['Text'] },
      { transport: 'LongPolling', transferFormats: ['Text', 'Binary'] },
    ];
    const { availableTransports } = await negotiate(base, '/hub');
    const offered = availableTransports.map(({ transport }) => transport);
    for (const transport of transports) assert.ok(offered.includes(transport));
    assert.deepEqual(availableTransports, all.filter(({ transport }) => offered.includes(transport)));
  });

  test('stateful reconnect is not offered where it is not allowed (P-NEG-04, P-SR-01)', async () => {
    const reply = await negotiate(base, '/hub?negotiateVersion=1&useStatefulReconnect=true');
    assert.equal(reply.useStatefulReconnect, undefined);
  });

  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    test(`${method} is not allowed (P-NEG-01)`, async () => {
      assert.deepEqual(await summary(await fetch(`${base}/hub/negotiate`, { method })), [405, 'text/plain', '']);
    });
  }

  test('a body does not matter (P-NEG-02)', async () => {
    assert.equal((await (await post('/hub/negotiate?negotiateVersion=1', 'anything')).json()).negotiateVersion, 1);
  });
});

describe('the hub\'s path', { concurrency: true }, () => {
  const missing = [400, 'text/plain', 'Connection ID required'];
  const unknown = [404, 'text/plain', 'No Connection with that ID'];

  for (const method of ['PUT', 'PATCH', 'OPTIONS']) {
    test(`${method} is not allowed (P-HTTP-01)`, async () => {
      assert.deepEqual(await summary(await fetch(`${base}/hub`, { method })), [405, 'text/plain', '']);
    });
  }

  test('POST and DELETE want an id, and a known one (P-HTTP-03)', async () => {
    for (const method of ['POST', 'DELETE']) {
      assert.deepEqual(await summary(await fetch(`${base}/hub`, { method })), missing);
      assert.deepEqual(await summary(await fetch(`${base}/hub?id=unknown`, { method })), unknown);
    }
  });

  test('a WebSocket with an unknown id is refused before the upgrade (P-HTTP-03, P-WS-01)', async () => {
    assert.deepEqual(await refusedSocket(base, '/hub?id=unknown'), { status: 404, body: 'No Connection with that ID' });
  });

  test('the public id opens nothing, nor does the token in another case (P-NEG-11)', async () => {
    const { connectionId, connectionToken } = await negotiate(base, '/hub');
    assert.equal((await refusedSocket(base, `/hub?id=${connectionId}`)).status, 404);
    const swapped = connectionToken.replace(/[a-z]/gi, c => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
    assert.equal((await refusedSocket(base, `/hub?id=${swapped}`)).status, 404);
  });

  test('the connection id of the negotiation is that of the connection', async t => {
    const { connectionId, connectionToken } = await negotiate(base, '/hub');
    const peer = await openHub(t, base, `/hub?id=${connectionToken}`);
    peer.send('{"type":1,"invocationId":"1","target":"WhoAmI","arguments":[]}\u001e');
    assert.equal((await peer.answer('1')).result.ConnectionId, connectionId);
  });

  test('a WebSocket needs no negotiation (P-WS-01)', async t => {
    const peer = await openHub(t, base);
    peer.send('{"type":1,"invocationId":"1","target":"WhoAmI","arguments":[]}\u001e');
    assert.match((await peer.answer('1')).result.ConnectionId, /^[\w-]{22}$/);
  });

  for (const slash of ['', '/']) {
    test(`a slash at its end makes no difference: "${slash}"`, async t => {
      const response = await post(`/hub/negotiate${slash}?negotiateVersion=1`);
      const { connectionToken } = await response.json();
      await openHub(t, base, `/hub${slash}?id=${connectionToken}`);
    });
  }

  test('the path is not that of others', async () => {
    for (const path of ['/hub/other', '/hub//', '/hubs']) assert.equal((await fetch(base + path)).status, 404);
  });

  const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==';
  for (const [what, lines, right, query = ''] of [
    ['one Host and a key', ['Host: a', key], 101],
    ['no Host', [key], 400],
    ['two Hosts', ['Host: a', 'Host: a', key], 400],
    ['a Host that is none', ['Host: a b', key], 400],
    ['a key that is not 16 bytes in base64', ['Host: a', 'Sec-WebSocket-Key: AAAA'], 400],
    ['two keys', ['Host: a', key, key], 400],
    ['an id that comes twice (P-NEG-03)', ['Host: a', key], 404, '?id=1&ID=2'],
  ]) {
    test(`a WebSocket with ${what} is answered ${right}`, async () => {
      const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
      assert.equal(await status(`GET /hub${query} HTTP/1.1`, ...upgrade, ...lines), right);
    });
  }

  test('a second WebSocket for a connection is refused (P-HTTP-06)', async t => {
    const { connectionToken } = await negotiate(base, '/hub');
    const peer = await openHub(t, base, `/hub?id=${connectionToken}`);
    assert.deepEqual(await refusedSocket(base, `/hub?id=${connectionToken}`), { status: 409, body: '' });
    peer.send('{"type":1,"invocationId":"1","target":"Echo","arguments":["unhurt"]}\u001e');
    assert.equal((await peer.answer('1')).result, 'unhurt');
  });

  test('a connection that has ended is unknown (P-HTTP-07)', async t => {
    const { connectionToken } = await negotiate(base, '/hub');
    const peer = await openHub(t, base, `/hub?id=${connectionToken}`);
    peer.send('{"type":7}\u001e');
    await peer.untilClosed();
    // Its removal may lag behind the close frame, and until then it is taken (P-HTTP-06).
    let status;
    do ({ status } = await refusedSocket(base, `/hub?id=${connectionToken}`)); while (status === 409);
    assert.equal(status, 404);
  });

  test('a WebSocket connection takes no POST and no DELETE (P-HTTP-10, P-HTTP-14)', async t => {
    const { connectionToken } = await negotiate(base, '/hub');
    await openHub(t, base, `/hub?id=${connectionToken}`);
    assert.deepEqual(await summary(await post(`/hub?id=${connectionToken}`, 'x')),
      [405, 'text/plain', 'POST requests are not allowed for WebSocket connections.']);
    assert.deepEqual(await summary(await fetch(`${base}/hub?id=${connectionToken}`, { method: 'DELETE' })),
      [400, 'text/plain', 'Cannot terminate this connection using the DELETE endpoint.']);
  });

  test('a GET that is no WebSocket, on a WebSocket connection, changes nothing (P-HTTP-05)',
    { skip: transports.length === 1 && 'WebSockets only' }, async t => {
      const { connectionToken } = await negotiate(base, '/hub');
      await openHub(t, base, `/hub?id=${connectionToken}`);
      for (const headers of [{}, { Accept: 'text/event-stream' }]) {
        assert.deepEqual(await summary(await fetch(`${base}/hub?id=${connectionToken}`, { headers })),
          [400, 'text/plain', 'Cannot change transports mid-connection']);
      }
    });

  test('no subprotocol and no compression is chosen (P-WS-02, P-WS-12)', async t => {
    const peer = await openSocket(t, base);
    assert.deepEqual(peer.chosen, { subprotocol: '', extensions: '' });
  });

  test('GET /healthz answers ok', async () => {
    assert.equal(await (await fetch(`${base}/healthz`)).text(), 'ok');
  });
});

describe('other origins', { concurrency: true }, () => {
  const preflight = origin => fetch(`${base}/hub/negotiate?negotiateVersion=1`, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'x-requested-with,x-signalr-user-agent,authorization',
    },
  });

  for (const origin of ['http://localhost:8080', 'http://127.0.0.1:3000']) {
    test(`${origin} may call, with credentials and the client's headers (P-NEG-22)`, async () => {
      const { headers } = await preflight(origin);
      assert.equal(headers.get('access-control-allow-origin'), origin);
      assert.equal(headers.get('access-control-allow-credentials'), 'true');
      const allowed = headers.get('access-control-allow-headers').toLowerCase();
      for (const name of ['x-requested-with', 'x-signalr-user-agent', 'authorization']) assert.ok(allowed.includes(name));
      const response = await fetch(`${base}/hub/negotiate`, { method: 'POST', headers: { Origin: origin } });
      assert.equal(response.headers.get('access-control-allow-origin'), origin);
    });
  }

  test('a stranger may not', async () => {
    assert.equal((await preflight('http://example.com')).headers.get('access-control-allow-origin'), null);
  });
});
