import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { json, messagePack, openHub } from './raw.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

const forms = {
  json: {
    echo: (id, text) => Buffer.from(json({ type: 1, invocationId: id, target: 'Echo', arguments: [text] })),
    id: message => message.invocationId,
  },
  messagepack: {
    echo: (id, text) => messagePack([1, {}, id, 'Echo', [text], []]),
    id: message => message[2],
  },
};

for (const [protocol, { echo, id }] of Object.entries(forms)) {
  describe(`framing of ${protocol}`, { concurrency: true }, () => {
    test('a message may be cut at every byte (P-FRM-04)', async t => {
      const peer = await openHub(t, base, '/hub', protocol);
      const length = echo('10', 'grün').length;
      for (let cut = 1; cut < length; cut++) {
        // Ids of two digits keep the length.
        const message = echo(String(10 + cut), 'grün');
        peer.send(message.subarray(0, cut));
        peer.send(message.subarray(cut));
        assert.equal(id(await peer.next()), String(10 + cut));
      }
    });

    test('a message may come byte by byte (P-FRM-04)', async t => {
      const peer = await openHub(t, base, '/hub', protocol);
      for (const byte of echo('1', 'grün')) peer.send(Buffer.of(byte));
      assert.equal(id(await peer.next()), '1');
    });

    test('a frame may hold many messages and end inside one (P-FRM-04, P-FRM-07)', async t => {
      const peer = await openHub(t, base, '/hub', protocol);
      const last = echo('4', 'x');
      peer.send(echo('1', 'x'), echo('2', 'x'), echo('3', 'x'), last.subarray(0, 5));
      for (const expected of ['1', '2', '3']) assert.equal(id(await peer.next()), expected);
      peer.send(last.subarray(5), echo('5', 'x'));
      for (const expected of ['4', '5']) assert.equal(id(await peer.next()), expected);
    });

    test('a frame far above the message limit is fine when its messages are small (P-LIM-30, P-WS-11)', async t => {
      const peer = await openHub(t, base, '/hub', protocol);
      const count = 2000;
      peer.send(...Array.from({ length: count }, (_, i) => echo(String(i), 'x'.repeat(100))));
      for (let i = 0; i < count; i++) assert.equal(id(await peer.next()), String(i));
    });
  });
}

test('the opcode of a frame does not matter (P-WS-03, P-HS-17)', async t => {
  const peer = await openHub(t, base);
  const { echo, id } = forms.json;
  peer.send(echo('1', 'x'));
  peer.send(echo('2', 'x').toString());
  for (const expected of ['1', '2']) assert.equal(id(await peer.next()), expected);
});
