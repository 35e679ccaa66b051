import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { negotiate, openHub, openSocket, refusedSocket } from './raw.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

async function getToken(claims) {
  const response = await fetch(`${base}/token?${new URLSearchParams(claims)}`);
  return response.text();
}

const bearer = token => ({ Authorization: `Bearer ${token}` });
const forged = token => `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(43)}`;

for (const wire of wires) {
  describe(`users (${wire.name})`, { concurrency: true }, () => {
    for (const path of ['/hub', '/hub-auth']) {
      test(`a token on ${path} gives user and role (P-AUTH-02, P-AUTH-04, P-AUTH-06)`, async t => {
        const token = await getToken({ user: 'ann ü', role: 'reader' });
        const client = await connect(t, base, wire, path, { token });
        assert.deepEqual(await client.invoke('WhoAmI'), { ConnectionId: client.id, UserId: 'ann ü', Role: 'reader' });
      });
    }

    test('a role is optional', async t => {
      const client = await connect(t, base, wire, '/hub', { token: await getToken({ user: 'ann' }) });
      assert.deepEqual(await client.invoke('WhoAmI'), { ConnectionId: client.id, UserId: 'ann', Role: null });
    });

    test('Secret needs a user, AdminOnly the role (P-AUTH-08)', async t => {
      const denied = method => ({ message: `Failed to invoke '${method}' because user is unauthorized` });
      const anonymous = await connect(t, base, wire);
      await assert.rejects(anonymous.invoke('Secret'), denied('Secret'));
      const user = await connect(t, base, wire, '/hub', { token: await getToken({ user: 'ann', role: 'reader' }) });
      assert.equal(await user.invoke('Secret'), 'secret');
      await assert.rejects(user.invoke('AdminOnly'), denied('AdminOnly'));
      const admin = await connect(t, base, wire, '/hub', { token: await getToken({ user: 'bob', role: 'admin' }) });
      assert.equal(await admin.invoke('AdminOnly'), 'admin');
    });

    test('/hub-auth refuses a client without a token, or with a bad one (P-AUTH-01)', async t => {
      await assert.rejects(connect(t, base, wire, '/hub-auth'), /401/);
      await assert.rejects(connect(t, base, wire, '/hub-auth', { token: 'bad' }), /401/);
    });

    test('/hub-auth closes a connection whose token expires (P-AUTH-09)', async t => {
      const client = await connect(t, base, wire, '/hub-auth', { token: await getToken({ user: 'ann', ttl: 5 }) });
      assert.equal(await client.closed(), null);
    });

    test('the negotiation may send a client elsewhere, with another token (P-NEG-09, P-NEG-14)', async t => {
      const client = await connect(t, base, wire, '/redirect');
      assert.equal((await client.invoke('WhoAmI')).UserId, 'redirected');
    });
  });
}

describe('tokens in requests', { concurrency: true }, () => {
  const whoAmI = async peer => {
    peer.send('{"type":1,"invocationId":"1","target":"WhoAmI","arguments":[]}\u001e');
    return (await peer.answer('1')).result.UserId;
  };

  test('a WebSocket may carry its token in a header or in the query (P-AUTH-02)', async t => {
    const token = await getToken({ user: 'ann' });
    assert.equal(await whoAmI(await openHub(t, base, '/hub-auth', 'json', bearer(token))), 'ann');
    assert.equal(await whoAmI(await openHub(t, base, `/hub-auth?access_token=${token}`)), 'ann');
  });

  test('the header is preferred to the query (P-AUTH-02)', async t => {
    const [ann, bob] = [await getToken({ user: 'ann' }), await getToken({ user: 'bob' })];
    assert.equal(await whoAmI(await openHub(t, base, `/hub?access_token=${bob}`, 'json', bearer(ann))), 'ann');
  });

  test('/hub-auth wants a token at the negotiation and at the transport, each by itself (P-AUTH-01)', async () => {
    const token = await getToken({ user: 'ann' });
    assert.equal((await fetch(`${base}/hub-auth/negotiate?negotiateVersion=1`, { method: 'POST' })).status, 401);
    assert.equal((await refusedSocket(base, '/hub-auth')).status, 401);
    const { connectionToken } = await negotiate(base, '/hub-auth', bearer(token));
    assert.equal((await refusedSocket(base, `/hub-auth?id=${connectionToken}`)).status, 401);
  });

  test('the token of the negotiation is good for the transport', async t => {
    const token = await getToken({ user: 'ann' });
    const { connectionToken } = await negotiate(base, '/hub-auth', bearer(token));
    await openSocket(t, base, `/hub-auth?id=${connectionToken}`, bearer(token));
  });

  test('a connection belongs to who negotiated it (P-AUTH-07, P-AUTH-11)', async t => {
    const [ann, bob] = [await getToken({ user: 'ann' }), await getToken({ user: 'bob' })];
    const changed = { status: 403, body: 'The user associated with this connection changed.' };
    for (const path of ['/hub', '/hub-auth']) {
      const { connectionToken } = await negotiate(base, path, bearer(ann));
      assert.deepEqual(await refusedSocket(base, `${path}?id=${connectionToken}`, bearer(bob)), changed);
      if (path === '/hub') assert.deepEqual(await refusedSocket(base, `${path}?id=${connectionToken}`), changed);
      await openSocket(t, base, `${path}?id=${connectionToken}`, bearer(ann));
      assert.equal((await refusedSocket(base, `${path}?id=${connectionToken}`, bearer(bob))).status, 409);
    }
    const { connectionToken } = await negotiate(base, '/hub');
    assert.deepEqual(await refusedSocket(base, `/hub?id=${connectionToken}`, bearer(ann)), changed);
  });

  const hubs = ['/hub', '/hub-detailed', '/hub-auth', '/hub-small', '/hub-fast', '/hub-parallel'];
  for (const path of hubs) {
    test(`a bad token is refused on ${path}, wherever it stands`, async () => {
      for (const token of ['bad', 'a.b.c', forged(await getToken({ user: 'ann' })), await getToken({ user: 'ann', ttl: -5 })]) {
        const [inQuery, headers] = [`access_token=${token}`, bearer(token)];
        assert.equal((await fetch(`${base}${path}/negotiate`, { method: 'POST', headers })).status, 401);
        assert.equal((await fetch(`${base}${path}/negotiate?${inQuery}`, { method: 'POST' })).status, 401);
        assert.equal((await refusedSocket(base, path, headers)).status, 401);
        assert.equal((await refusedSocket(base, `${path}?${inQuery}`)).status, 401);
      }
    });
  }

  test('a token that expires closes the connection with leave to reconnect (P-AUTH-09, P-CLS-03)', async t => {
    const peer = await openHub(t, base, `/hub-auth?access_token=${await getToken({ user: 'ann', ttl: 5 })}`);
    assert.deepEqual(await peer.untilClosed(), { messages: [{ type: 7, allowReconnect: true }], code: 1000 });
  });

  test('a redirect is an object with url and accessToken (P-NEG-09)', async () => {
    const { url, accessToken } = await negotiate(base, '/redirect');
    assert.equal(url, `${base}/hub`);
    assert.match(accessToken, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  });
});
