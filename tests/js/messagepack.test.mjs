import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { framed, messagePack, openHub } from './raw.mjs';
import { isReference, startServer } from './server.mjs';

const base = await startServer();

const bytes = hex => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const echo = (id, text) => messagePack([1, {}, id, 'Echo', [text], []]);

const completion = { error: 1, empty: 2, value: 3 };

describe('MessagePack messages', { concurrency: true }, () => {
  test('answers have the documented items (P-MP-08, P-INV-12)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(echo('1', 'x'));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'x']);
    peer.send(messagePack([1, {}, '2', 'Nothing', [], []]));
    assert.deepEqual(await peer.next(), [3, {}, '2', completion.value, null]);
    peer.send(messagePack([1, {}, '3', 'Fail', ['x'], []]));
    assert.deepEqual(await peer.next(),
      [3, {}, '3', completion.error, "An unexpected error occurred invoking 'Fail' on the server."]);
  });

  test('a callback has six items and nil for its id (P-MP-04)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([1, {}, null, 'SendToCaller', ['x'], []]));
    const message = await peer.next();
    assert.deepEqual(message, [1, {}, null, 'Message', ['x', message[4][1]], []]);
  });

  test('a stream on the wire: items, then a void completion (P-STR-08)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([4, {}, 's', 'Counter', [2, 0], []]));
    assert.deepEqual(await peer.next(), [2, {}, 's', 0]);
    assert.deepEqual(await peer.next(), [2, {}, 's', 1]);
    assert.deepEqual(await peer.next(), [3, {}, 's', completion.empty]);
  });

  test('calls may have five items, or more than are known (P-MP-04, P-GEN-04)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([1, {}, '1', 'Echo', ['five']]));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'five']);
    peer.send(messagePack([1, {}, '2', 'Echo', ['seven'], [], { more: [1] }]), echo('3', 'x'));
    assert.deepEqual(await peer.next(), [3, {}, '2', completion.value, 'seven']);
    assert.deepEqual(await peer.next(), [3, {}, '3', completion.value, 'x']);
  });

  test('nil and the empty string both ask for no answer (P-MP-03)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(echo(null, 'x'), echo('', 'x'), echo('1', 'y'));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'y']);
  });

  test('integers, strings and arrays of any width are read (P-MP-06, P-MP-09)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    // type: uint32, id: str16, target: str8, arguments: array16 of int64 and uint8.
    peer.send(framed(bytes('dc 0006 ce 00000001 de 0000 da 0001 31 d9 03 416464 dc 0002 d3 ffffffffffffffff cc 03 90')));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 2]);
  });

  test('a length prefix may be longer than needed (P-FRM-03)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    const [prefix, ...body] = echo('1', 'x');
    peer.send(Buffer.from([prefix | 128, 128, 128, 128, 0, ...body]));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'x']);
  });

  test('headers are accepted (P-GEN-03)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([1, { traceparent: '00-1' }, '1', 'Echo', ['x'], []]));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'x']);
  });

  test('an upload and its void end (P-UP-02)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([1, {}, '1', 'Sum', [], ['u']]), messagePack([2, {}, 'u', 5]), messagePack([3, {}, 'u', completion.empty]));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 5]);
  });

  test('an upload that ends with a value ended well (P-UP-08)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([1, {}, '1', 'Sum', [], ['u']]), messagePack([3, {}, 'u', completion.value, null]));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 0]);
  });

  test('a value of an unknown extension type is a bad argument and no more (P-MP-12, P-MP-13)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(framed(bytes('96 01 80 a131 a3416464 92 d46300 01 90')), echo('2', 'x'));
    const [type, , id, kind, error] = await peer.next();
    assert.deepEqual([type, id, kind], [3, '1', completion.error]);
    assert.equal(error, "Failed to invoke 'Add' due to an error on the server.");
    assert.deepEqual(await peer.next(), [3, {}, '2', completion.value, 'x']);
  });

  test('an item that is not whole ends its upload only (P-UP-06)', async t => {
    for (const item of ['93 02 80 a175', '94 02 80 a175 a561']) {
      const peer = await openHub(t, base, '/hub', 'messagepack');
      peer.send(messagePack([1, {}, '1', 'UploadCatch', [], ['u']]), framed(bytes(item)));
      const [type, , id, kind, result] = await peer.next();
      assert.deepEqual([type, id, kind], [3, '1', completion.value]);
      assert.match(result, /^error:Failed to bind Stream message\./);
      peer.send(echo('2', 'x'));
      assert.deepEqual(await peer.next(), [3, {}, '2', completion.value, 'x']);
    }
  });

  test('a text for bytes is its UTF-8 (P-MP-09)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([1, {}, '1', 'EchoBytes', ['AAE='], []]));
    const [, , , kind, echoed] = await peer.next();
    assert.deepEqual([kind, Buffer.from(echoed)], [completion.value, Buffer.from('AAE=')]);
  });

  const object = { Name: 'n', Value: 1, Ratio: 1.5, Tags: ['a'], Child: null };
  for (const [what, method, argument] of [
    ['bytes for a text', 'Echo', new Uint8Array([0x61])],
    ['a list for an object', 'EchoObject', Object.values(object)],
    ['a list for an object in an object', 'EchoObject', { ...object, Child: Object.values(object) }],
    ['a date for a text', 'Echo', new Date(0)],
  ]) {
    test(`${what} does not bind (P-MP-09, P-MP-10, P-MP-13)`, async t => {
      const peer = await openHub(t, base, '/hub', 'messagepack');
      peer.send(messagePack([1, {}, '1', method, [argument], []]), echo('2', 'x'));
      assert.deepEqual(await peer.next(),
        [3, {}, '1', completion.error, `Failed to invoke '${method}' due to an error on the server.`]);
      assert.deepEqual(await peer.next(), [3, {}, '2', completion.value, 'x']);
    });
  }

  test('a map by numbers is no object', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(framed(bytes('96 01 80 a131 aa4563686f4f626a656374 91 81 01 02 90')));
    assert.deepEqual((await peer.next()).slice(2, 4), ['1', completion.error]);
  });

  test('a completion for nobody is ignored', { skip: isReference && 'the reference ends the connection' }, async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([3, {}, '', completion.empty]), echo('1', 'x'));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'x']);
  });

  test('a Close of two or three items is understood (P-MP-05)', async t => {
    for (const close of [[7, null], [7, null, false]]) {
      const peer = await openHub(t, base, '/hub', 'messagepack');
      peer.send(messagePack(close));
      assert.deepEqual(await peer.untilClosed(), { messages: [[7, null, false]], code: 1000 });
    }
  });

  const stalls = isReference && 'the reference reads nothing behind it';
  test('an unknown message type is ignored (P-GEN-05, P-DIV-01)', { skip: stalls }, async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([99, {}, 'x']), echo('1', 'x'));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'x']);
  });

  test('acks, sequences and messages of unknown streams are ignored (P-SR-25, P-UP-05, P-CAN-03)', async t => {
    const peer = await openHub(t, base, '/hub', 'messagepack');
    peer.send(messagePack([8, 1]), messagePack([9, 1]), messagePack([2, {}, 'u', 1]), messagePack([3, {}, 'u', 2]),
      messagePack([5, {}, 'u']), echo('1', 'x'));
    assert.deepEqual(await peer.next(), [3, {}, '1', completion.value, 'x']);
  });
});

describe('malformed MessagePack messages', { concurrency: true }, () => {
  const tooLong = 'Messages over 2GB in size are not supported.';
  const malformed = [
    ['a length above 2 GB (P-FRM-03, P-VEC-14)', bytes('ff ff ff ff 08 00'), tooLong],
    ['a length of more than five bytes (P-FRM-03, P-VEC-14)', bytes('80 80 80 80 80 00'), tooLong],
    ['an empty body (P-FRM-08)', bytes('00')],
    ['no array', messagePack({ type: 6 })],
    ['an array without a type', messagePack([])],
    ['a type that is no number', messagePack(['1', {}, '1', 'Echo', ['x'], []])],
    ['nil for headers (P-MP-01)', messagePack([1, null, '1', 'Echo', ['x'], []]), "Reading map length for 'headers' failed."],
    ['an array that is cut short', bytes('03 96 01 80')],
    ['an array that promises more than the frame holds (P-MP-14)', bytes('0f 9f 01 80 a131 a74e6f7468696e67 90 90'),
      'Attempted to read past the end of the stream.'],
    ['headers that promise more than the frame holds (P-MP-14)', bytes('0f 96 01 8f a131 a74e6f7468696e67 90 90'),
      "Reading map length for 'headers' failed."],
    ['streams that promise more than the frame holds (P-MP-14)', bytes('0f 96 01 80 a131 a74e6f7468696e67 90 9f'),
      "Reading array length for 'streamIds' failed."],
    ['an item without an id (P-MP-03)', messagePack([2, {}, null, 1]), 'Null or empty invocation ID for StreamItem message.'],
    ['a stream with an empty id (P-MP-03)', messagePack([4, {}, '', 'Counter', [1, 0], []]),
      'Null or empty invocation ID for StreamInvocation message.'],
    ['a cancellation without an id (P-CAN-06)', messagePack([5, {}, null]),
      'Null or empty invocation ID for CancelInvocation message.'],
    ['an unknown kind of completion (P-MP-07)', messagePack([3, {}, '1', 9, 'x']), 'Invalid invocation result kind.'],
  ];

  for (const [what, message, reason] of malformed) {
    test(`${what} ends the connection (P-GEN-06)`, async t => {
      const peer = await openHub(t, base, '/hub', 'messagepack');
      peer.send(message, echo('2', 'x'));
      assert.deepEqual(await peer.untilClosed(),
        { messages: [[7, 'Connection closed with an error.', true]], code: 1000 });
    });

    if (!reason) continue;
    test(`${what}: the reason, with detail on (P-CLS-05)`, async t => {
      const peer = await openHub(t, base, '/hub-detailed', 'messagepack');
      peer.send(message);
      const { messages: [[, error]] } = await peer.untilClosed();
      assert.match(error, /^Connection closed with an error\. \w+: /);
      assert.ok(error.endsWith(`: ${reason}`), error);
    });
  }
});
