import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { transports } from './client.mjs';
import { json, messagePack, negotiate, openSocket } from './raw.mjs';
import { startServer } from './server.mjs';
import { within } from './waiting.mjs';

const base = await startServer();

/** Sends a handshake request and takes the frames until the server closes. */
async function refusedHandshake(t, path, request) {
  const peer = await openSocket(t, base, path);
  if (request) peer.send(request);
  const { data, isBinary } = await peer.frame();
  // After a failed handshake: the response, then a normal close, and no Close message (P-HS-14).
  assert.equal(await peer.ended(), 1000);
  await assert.rejects(peer.frame(), 'nothing follows the response');
  return { text: data.toString(), isBinary };
}

const call = (id, text) => ({ type: 1, invocationId: id, target: 'Echo', arguments: [text] });

describe('handshake', { concurrency: true }, () => {
  test('the good response is {} and nothing else, for JSON in a text frame (P-HS-02)', async t => {
    const peer = await openSocket(t, base);
    peer.send(json({ protocol: 'json', version: 1 }));
    const { data, isBinary } = await peer.frame();
    assert.equal(data.toString(), '{}\u001e');
    assert.equal(isBinary, false);
  });

  for (const asBinary of [false, true]) {
    test(`for MessagePack it is JSON in a binary frame, the request ${asBinary ? 'binary' : 'text'} (P-HS-16, P-HS-17)`, async t => {
      const peer = await openSocket(t, base);
      const request = json({ protocol: 'messagepack', version: 1 });
      peer.send(asBinary ? Buffer.from(request) : request);
      const { data, isBinary } = await peer.frame();
      assert.equal(data.toString(), '{}\u001e');
      assert.equal(isBinary, true);
    });
  }

  for (const version of [-1, 0, 1, 2]) {
    test(`version ${version} is accepted (P-HS-07)`, async t => {
      const peer = await openSocket(t, base);
      peer.send(json({ protocol: 'json', version }));
      await peer.shakenHands();
    });
  }

  test('other properties and their order do not matter (P-HS-01)', async t => {
    const peer = await openSocket(t, base);
    peer.send('{ "extra": {"a": [1, "protocol"]}, "version" : 1, "protocol" : "json", "minorVersion": 0 }\u001e');
    await peer.shakenHands();
  });

  test('the name of the protocol is matched ignoring case (P-GEN-07)', async t => {
    const peer = await openSocket(t, base);
    peer.send(json({ protocol: 'JSON', version: 1 }));
    await peer.shakenHands();
  });

  test('an unknown protocol (P-HS-E1)', async t => {
    const { text, isBinary } = await refusedHandshake(t, '/hub', json({ protocol: 'smoke', version: 1 }));
    assert.equal(text, json({ error: "The protocol 'smoke' is not supported." }));
    assert.equal(isBinary, false);
  });

  for (const protocol of ['json', 'messagepack']) {
    test(`a version too high of ${protocol} (P-HS-E2)`, async t => {
      const { text } = await refusedHandshake(t, '/hub', json({ protocol, version: 3 }));
      assert.deepEqual(JSON.parse(text.slice(0, -1)),
        { error: `The server does not support version 3 of the '${protocol}' protocol.` });
    });
  }

  for (const request of ['{', '[]', '"json"', '{"version":1}', '{"protocol":"json"}', '{"protocol":7,"version":1}',
    '{"protocol":"json","version":"1"}', 'GET / HTTP/1.1']) {
    test(`an unparsable request: ${request} (P-HS-E5)`, async t => {
      const { text } = await refusedHandshake(t, '/hub', `${request}\u001e`);
      assert.equal(text, json({ error: 'An unexpected error occurred during connection handshake.' }));
    });
  }

  for (const [request, detail] of [
    ['{"version":1}', `Missing required property 'protocol'. Message content: {"version":1}`],
    ['{"protocol":"json"}', `Missing required property 'version'. Message content: {"protocol":"json"}`],
    ['[]', "Unexpected JSON Token Type 'Array'. Expected a JSON Object."],
  ]) {
    test(`with detail on, the reason for refusing ${request} (P-HS-E5)`, async t => {
      const { text } = await refusedHandshake(t, '/hub-detailed', `${request}\u001e`);
      assert.deepEqual(JSON.parse(text.slice(0, -1)),
        { error: `An unexpected error occurred during connection handshake. InvalidDataException: ${detail}` });
    });
  }

  test('a binary protocol on a text transport (P-HS-E3, P-HS-10)',
    { skip: !transports.includes('ServerSentEvents') && 'no Server-Sent Events' }, async () => {
      const { connectionToken } = await negotiate(base, '/hub');
      const events = await fetch(`${base}/hub?id=${connectionToken}`, { headers: { Accept: 'text/event-stream' } });
      const body = json({ protocol: 'messagepack', version: 1 });
      await fetch(`${base}/hub?id=${connectionToken}`, { method: 'POST', body });
      // The server ends the response after the refusal.
      const text = await within(events.text(), 'the end of the events');
      assert.equal(text, `:\r\ndata: ${json({
        error: "Cannot use the 'messagepack' protocol on the current transport. "
          + "The transport does not support 'Binary' transfer format.",
      })}\r\n\r\n`);
    });

  test('a client that does not shake hands in time (P-HS-E4, P-HS-11)', async t => {
    const { text } = await refusedHandshake(t, '/hub-fast', null);
    assert.equal(text, json({ error: 'Handshake was canceled.' }));
  });

  test('an oversize request (P-HS-E4, P-HS-12)', async t => {
    const { text } = await refusedHandshake(t, '/hub-small', '{"protocol":"json",'.padEnd(1200));
    assert.equal(text, json({ error: 'Handshake was canceled.' }));
  });

  test('a client that leaves before it shook hands hurts nobody (P-HS-13)', async t => {
    const leaving = await openSocket(t, base);
    leaving.send('{"protocol":');
    leaving.close(1000);
    assert.equal(await leaving.ended(), 1000);
    const peer = await openSocket(t, base);
    peer.send(json({ protocol: 'json', version: 1 }));
    await peer.shakenHands();
  });

  test('the request may arrive in pieces (P-HS-06)', async t => {
    const peer = await openSocket(t, base);
    for (const character of json({ protocol: 'json', version: 1 })) peer.send(character);
    await peer.shakenHands();
  });

  test('messages in the frame of the request are not lost (P-HS-05)', async t => {
    const peer = await openSocket(t, base);
    peer.send(json({ protocol: 'json', version: 1 }), json(call('1', 'early')), json(call('2', 'too')));
    await peer.shakenHands();
    peer.speak('json');
    assert.equal((await peer.answer('1')).result, 'early');
    assert.equal((await peer.answer('2')).result, 'too');
  });

  test('MessagePack may follow in the frame of the request (P-HS-05)', async t => {
    const peer = await openSocket(t, base);
    peer.send(Buffer.from(json({ protocol: 'messagepack', version: 1 })), messagePack([1, {}, '1', 'Echo', ['early']]));
    await peer.shakenHands();
    peer.speak('messagepack');
    assert.deepEqual(await peer.next(), [3, {}, '1', 3, 'early']);
  });

  test('the connected event comes before the answer to an early message (P-HS-15)', async t => {
    const peer = await openSocket(t, base, '/hub?announce=1');
    peer.send(json({ protocol: 'json', version: 1 }), json(call('1', 'early')));
    await peer.shakenHands();
    peer.speak('json');
    assert.equal((await peer.next()).target, 'Connected');
    await peer.answer('1');
  });
});
