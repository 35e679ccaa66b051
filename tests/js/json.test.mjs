import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { json, openHub } from './raw.mjs';
import { isReference, startServer } from './server.mjs';

const base = await startServer();

const echo = (id, text) => json({ type: 1, invocationId: id, target: 'Echo', arguments: [text] });

describe('JSON messages', { concurrency: true }, () => {
  test('answers have the documented members and no others (P-JSON-04, P-JSON-11, P-INV-12)', async t => {
    const peer = await openHub(t, base);
    peer.send(echo('1', 'x'));
    assert.deepEqual(await peer.next(), { type: 3, invocationId: '1', result: 'x' });
    peer.send(json({ type: 1, invocationId: '2', target: 'Nothing', arguments: [] }));
    assert.deepEqual(await peer.next(), { type: 3, invocationId: '2', result: null });
    peer.send(json({ type: 1, invocationId: '3', target: 'Fail', arguments: ['x'] }));
    assert.deepEqual(await peer.next(),
      { type: 3, invocationId: '3', error: "An unexpected error occurred invoking 'Fail' on the server." });
    peer.send(json({ type: 1, target: 'SendToCaller', arguments: ['x'] }));
    const message = await peer.next();
    assert.deepEqual(message, { type: 1, target: 'Message', arguments: ['x', message.arguments[1]] });
  });

  test('a stream on the wire: items, then a void completion (P-STR-01, P-STR-08)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 4, invocationId: 's', target: 'Counter', arguments: [2, 0] }));
    assert.deepEqual(await peer.next(), { type: 2, invocationId: 's', item: 0 });
    assert.deepEqual(await peer.next(), { type: 2, invocationId: 's', item: 1 });
    assert.deepEqual(await peer.next(), { type: 3, invocationId: 's' });
  });

  test('a cancelled stream ends with a void completion (P-CAN-02)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 4, invocationId: 's', target: 'Infinite', arguments: [1] }));
    assert.deepEqual(await peer.next(), { type: 2, invocationId: 's', item: 0 });
    peer.send(json({ type: 5, invocationId: 's' }));
    const messages = [];
    // The callback and the completion race each other.
    while (messages.filter(({ type }) => type !== 2).length < 2) messages.push(await peer.next());
    const ends = messages.filter(({ type }) => type !== 2).sort((a, b) => a.type - b.type);
    assert.deepEqual(ends, [{ type: 1, target: 'StreamCanceled', arguments: [] }, { type: 3, invocationId: 's' }]);
  });

  test('a plain call that is cancelled: its method decides, or runs to its end (P-CX-02 to 04)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: 'w', target: 'Wait', arguments: [60_000] }), json({ type: 5, invocationId: 'w' }));
    assert.deepEqual(await peer.next(), { type: 1, target: 'WaitCanceled', arguments: [] });
    const error = "An unexpected error occurred invoking 'Wait' on the server.";
    assert.deepEqual(await peer.next(), { type: 3, invocationId: 'w', error });
    peer.send(json({ type: 1, invocationId: 's', target: 'Sleep', arguments: [100] }));
    for (const id of ['s', 's', 'w', 'unknown']) peer.send(json({ type: 5, invocationId: id }));
    assert.deepEqual(await peer.next(), { type: 3, invocationId: 's', result: 100 });
    peer.send(json({ type: 1, invocationId: 'w', target: 'Wait', arguments: [1] }));
    assert.deepEqual(await peer.next(), { type: 3, invocationId: 'w', result: 'waited' });
  });

  test('a question to the client carries an id that is no client counter (P-CR-01, P-CR-02)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: 'AskCaller', arguments: ['x'] }));
    const question = await peer.next();
    assert.deepEqual(question, { type: 1, invocationId: question.invocationId, target: 'Ask', arguments: ['x'] });
    assert.doesNotMatch(question.invocationId, /^\d*$/);
    peer.send(json({ type: 3, invocationId: question.invocationId, result: 'y' }));
    assert.equal((await peer.answer('1')).result, 'y');
  });

  test('a second answer to a question is ignored (P-CR-12)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: 'AskCaller', arguments: ['x'] }));
    const { invocationId } = await peer.next();
    const result = json({ type: 3, invocationId, result: 'y' });
    peer.send(result, result);
    assert.equal((await peer.answer('1')).result, 'y');
    peer.send(result, echo('2', 'x'));
    await peer.answer('2');
  });

  test('an answer to a question asked of somebody else ends the connection (P-CR-03)', async t => {
    const [asker, thief] = [await openHub(t, base), await openHub(t, base)];
    asker.send(json({ type: 1, invocationId: '1', target: 'AskCaller', arguments: ['x'] }));
    const { invocationId } = await asker.next();
    thief.send(json({ type: 3, invocationId, result: 'stolen' }));
    assert.deepEqual((await thief.untilClosed()).messages,
      [{ type: 7, error: 'Connection closed with an error.', allowReconnect: true }]);
    asker.send(json({ type: 3, invocationId, result: 'own' }));
    assert.equal((await asker.answer('1')).result, 'own');
  });

  test('members may stand in any order and unknown ones are skipped (P-JSON-01, P-GEN-04)', async t => {
    const peer = await openHub(t, base);
    peer.send('{"arguments":["x"],"more":{"type":7},"invocationId":"1","type":1,"target":"Echo"}\u001e');
    assert.equal((await peer.answer('1')).result, 'x');
    peer.send('{"streamIds":["u"],"arguments":[],"invocationId":"2","target":"Concat","type":1}\u001e',
      '{"item":"a","invocationId":"u","type":2}\u001e', '{"invocationId":"u","type":3}\u001e');
    assert.equal((await peer.answer('2')).result, 'a');
  });

  test('the last of duplicate members counts (P-JSON-20)', async t => {
    const peer = await openHub(t, base);
    peer.send('{"type":6,"type":1,"invocationId":"0","invocationId":"1","target":"Add","target":"Echo","arguments":["x"]}\u001e');
    assert.equal((await peer.answer('1')).result, 'x');
  });

  test('blanks between tokens and escapes in strings are read', async t => {
    const peer = await openHub(t, base);
    peer.send(' {\n"type" : 1 ,\t"invocationId":"\\u0031","target":"\\u0045cho","arguments":[ "\\ud83d\\ude00\\/" ] }\r\n\u001e');
    assert.equal((await peer.answer('1')).result, '😀/');
  });

  test('invocation ids are any non-empty string, echoed unchanged (P-GEN-02)', async t => {
    const peer = await openHub(t, base);
    for (const id of ['a b', '"ü"', '\u0000', 'x'.repeat(300)]) {
      peer.send(echo(id, 'x'));
      await peer.answer(id);
    }
  });

  test('an empty invocation id asks for no answer (P-JSON-05)', async t => {
    const peer = await openHub(t, base);
    peer.send(echo('', 'x'), echo('1', 'y'));
    assert.equal((await peer.answer('1')).result, 'y');
  });

  test('headers are accepted (P-GEN-03)', async t => {
    const peer = await openHub(t, base);
    peer.send('{"type":1,"headers":{"traceparent":"00-1","a":""},"invocationId":"1","target":"Echo","arguments":["x"]}\u001e');
    assert.equal((await peer.answer('1')).result, 'x');
  });

  test('an empty list of streams equals none (P-JSON-08)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: 'Echo', arguments: ['x'], streamIds: [] }));
    assert.equal((await peer.answer('1')).result, 'x');
  });

  test('an unknown message type is ignored (P-GEN-05, P-DIV-01)',
    { skip: isReference && 'the reference stalls after one' }, async t => {
      const peer = await openHub(t, base);
      peer.send(json({ type: 99, whatever: [1] }), echo('1', 'x'));
      assert.equal((await peer.answer('1')).result, 'x');
    });

  test('null for an optional member equals its absence (P-DIV-02)',
    { skip: isReference && 'the reference refuses it' }, async t => {
      const peer = await openHub(t, base);
      peer.send('{"type":1,"invocationId":"1","target":"Echo","arguments":["x"],"streamIds":null,"headers":null}\u001e');
      assert.equal((await peer.answer('1')).result, 'x');
      peer.send('{"type":1,"invocationId":null,"target":"Echo","arguments":["x"]}\u001e', echo('2', 'y'));
      assert.equal((await peer.answer('2')).result, 'y');
    });

  test('acks and sequences without stateful reconnect are ignored (P-SR-25)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 8, sequenceId: 1 }), json({ type: 9, sequenceId: 1 }), echo('1', 'x'));
    await peer.answer('1');
  });

  test('items, ends and cancellations of unknown streams are ignored (P-UP-05, P-CAN-03, P-CR-12)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 2, invocationId: 'u', item: { a: 1 } }), json({ type: 3, invocationId: 'u' }),
      json({ type: 3, invocationId: 's99', result: 1 }), json({ type: 5, invocationId: 'u' }), echo('1', 'x'));
    await peer.answer('1');
  });

  test('items after the method returned are ignored (P-UP-09)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: 'Concat', arguments: [], streamIds: ['u'] }),
      json({ type: 3, invocationId: 'u' }));
    assert.equal((await peer.answer('1')).result, '');
    peer.send(json({ type: 2, invocationId: 'u', item: 'late' }), json({ type: 3, invocationId: 'u' }), echo('2', 'x'));
    await peer.answer('2');
  });

  test('an upload that ends with a result ended well (P-UP-08)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: 'UploadCatch', arguments: [], streamIds: ['u'] }),
      json({ type: 2, invocationId: 'u', item: 5 }), json({ type: 3, invocationId: 'u', result: 5 }));
    assert.equal((await peer.answer('1')).result, 'ok:1');
  });

  test('the id of a running stream cannot be taken again (P-INV-15)', async t => {
    const peer = await openHub(t, base);
    const infinite = json({ type: 4, invocationId: 's', target: 'Infinite', arguments: [1] });
    peer.send(infinite, infinite);
    let message;
    do message = await peer.next(); while (message.type === 2);
    assert.deepEqual(message, { type: 3, invocationId: 's', error: "Invocation ID 's' is already in use." });
    // The reference can no longer cancel the first stream then; ours can (P-DIV-04).
    if (isReference) return;
    peer.send(json({ type: 5, invocationId: 's' }));
    do message = await peer.next(); while (message.type !== 1);
    assert.equal(message.target, 'StreamCanceled');
  });

  test('answers to plain calls come in the order of the calls (P-INV-22)', async t => {
    const peer = await openHub(t, base);
    const sleep = (id, ms) => json({ type: 1, invocationId: id, target: 'Sleep', arguments: [ms] });
    peer.send(sleep('a', 30), echo('b', 'x'), sleep('c', 10), echo('d', 'x'));
    for (const id of ['a', 'b', 'c', 'd']) await peer.answer(id);
  });

  test('an upload that ends with an error without a text ended badly (P-JSON-12)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: 'UploadCatch', arguments: [], streamIds: ['u'] }),
      json({ type: 3, invocationId: 'u', error: '' }));
    assert.match((await peer.answer('1')).result, /^error:/);
  });

  for (const [what, answer] of [['neither a result nor an error', {}], ['an error without a text', { error: '' }]]) {
    test(`an answer with ${what} is an error where a value is wanted (P-JSON-12, P-CR-04)`, async t => {
      const peer = await openHub(t, base);
      peer.send(json({ type: 1, invocationId: '1', target: 'AskCaller', arguments: ['x'] }));
      const { invocationId } = await peer.next();
      peer.send(json({ type: 3, invocationId, ...answer }));
      const { error } = await peer.answer('1');
      assert.match(error, /^An unexpected error occurred invoking 'AskCaller' on the server\. HubException: /);
      peer.send(echo('2', 'x'));
      await peer.answer('2');
    });
  }

  test('an empty name is an unknown method (P-JSON-06)', async t => {
    const peer = await openHub(t, base);
    peer.send(json({ type: 1, invocationId: '1', target: '', arguments: [] }), echo('2', 'x'));
    assert.equal((await peer.answer('1')).error,
      "Failed to invoke '' due to an error on the server. HubException: Method does not exist.");
    await peer.answer('2');
  });

  test('a completion for nobody is ignored', { skip: isReference && 'the reference ends the connection' }, async t => {
    const peer = await openHub(t, base);
    // As a client of Go answers a call that it has no handler for.
    peer.send(json({ type: 3, invocationId: '' }), json({ type: 3, invocationId: '', error: 'no handler' }), echo('1', 'x'));
    await peer.answer('1');
  });

  test('a stream id in use is refused, behind all else (P-UP-11, P-INV-11)', async t => {
    const peer = await openHub(t, base);
    const upload = (invocationId, target, ...streamIds) =>
      json({ type: 1, invocationId, target, arguments: [], streamIds });
    peer.send(upload('1', 'Sum', 'u'), json({ type: 2, invocationId: 'u', item: 3 }), upload('2', 'Concat', 'u'),
      upload('3', 'Nothing', 'u'), upload('4', 'Nope', 'u'), json({ type: 3, invocationId: 'u' }));
    const failed = target => `An unexpected error occurred invoking '${target}' on the server. HubException: `;
    assert.equal((await peer.answer('2')).error, `${failed('Concat')}Stream ID 'u' is already in use.`);
    assert.equal((await peer.answer('3')).error, `${failed('Nothing')}Client sent 1 stream(s), Hub method expects 0.`);
    assert.equal((await peer.answer('4')).error,
      "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.");
    assert.equal((await peer.answer('1')).result, 3);
  });

  test('a list is no object, and zero has no sign', async t => {
    const peer = await openHub(t, base);
    const call = (id, target, ...args) =>
      `{"type":1,"invocationId":"${id}","target":"${target}","arguments":[${args}]}\u001e`;
    peer.send(call('1', 'EchoObject', '[]'), call('2', 'EchoObject', '{"Name":"n","Value":1,"Ratio":1,"Tags":[],"Child":[]}'),
      call('3', 'EchoObject', '["n",1,1,[],null]'), call('4', 'Add', '-0', '1'));
    for (const id of ['1', '2', '3']) {
      assert.equal((await peer.answer(id)).error, "Failed to invoke 'EchoObject' due to an error on the server.");
    }
    assert.equal((await peer.answer('4')).result, 1);
  });

  test('the last of duplicate members counts inside of values too, whatever their case (P-JSON-17, P-JSON-20)', async t => {
    const peer = await openHub(t, base);
    peer.send('{"type":1,"invocationId":"1","target":"EchoObject","arguments":[{"Name":"a","name":"b","VALUE":1,"Value":2}]}\u001e');
    const { result } = await peer.answer('1');
    assert.deepEqual([result.Name ?? result.name, result.Value ?? result.value], ['b', 2]);
  });

  test('a deep value is no reason to stop (P-JSON-16)', async t => {
    const peer = await openHub(t, base);
    const depth = n => '['.repeat(n) + ']'.repeat(n);
    peer.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":[${depth(30)}]}\u001e`);
    assert.equal((await peer.answer('1')).error, "Failed to invoke 'Echo' due to an error on the server.");
  });
});

describe('malformed JSON messages', { concurrency: true }, () => {
  // The text, and the reason where a rule gives its words.
  const malformed = [
    ['{'],
    [''],
    ['[]', "Unexpected JSON Token Type 'Array'. Expected a JSON Object."],
    ['"text"', "Unexpected JSON Token Type 'String'. Expected a JSON Object."],
    ['7', "Unexpected JSON Token Type 'Number'. Expected a JSON Object."],
    ['{"type":1,}'],
    ['{/* comment */"type":6}'],
    ['{"target":"Echo","arguments":["x"]}', "Missing required property 'type'."],
    ['{"type":"1","target":"Echo","arguments":["x"]}', "Expected 'type' to be of type Number."],
    ['{"type":null,"target":"Echo","arguments":["x"]}', "Expected 'type' to be of type Number."],
    ['{"type":1,"arguments":["x"]}', "Missing required property 'target'."],
    ['{"type":1,"target":7,"arguments":["x"]}', "Expected 'target' to be of type String."],
    ['{"type":1,"target":"Echo"}', "Missing required property 'arguments'."],
    ['{"type":1,"target":"Echo","arguments":{}}', "Expected 'arguments' to be of type Array."],
    ['{"type":1,"invocationId":7,"target":"Echo","arguments":["x"]}', "Expected 'invocationId' to be of type String."],
    ['{"type":1,"target":"Concat","arguments":[],"streamIds":"u"}'],
    ['{"type":1,"target":"Concat","arguments":[],"streamIds":[null]}'],
    ['{"type":1,"headers":{"a":1},"target":"Echo","arguments":["x"]}'],
    ['{"type":1,"headers":[],"target":"Echo","arguments":["x"]}'],
    ['{"type":2,"invocationId":"1"}', "Missing required property 'item'."],
    ['{"type":2,"item":1}', "Missing required property 'invocationId'."],
    ['{"type":3}', "Missing required property 'invocationId'."],
    ['{"type":3,"invocationId":"1","error":"e","result":1}', "The 'error' and 'result' properties are mutually exclusive."],
    ['{"type":4,"target":"Counter","arguments":[1,0]}', "Missing required property 'invocationId'."],
    ['{"type":4,"invocationId":"","target":"Counter","arguments":[1,0]}', "Missing required property 'invocationId'."],
    ['{"type":5}', "Missing required property 'invocationId'."],
    ['{"type":7,"allowReconnect":"yes"}'],
    ['{"type":8}', "Missing required property 'sequenceId'."],
    ['{"type":8,"sequenceId":"1"}', "Expected 'sequenceId' to be of type Number."],
  ];

  for (const [text, reason] of malformed) {
    test(`${text || 'nothing'} ends the connection (P-GEN-06, P-CLS-03, P-CLS-05)`, async t => {
      const peer = await openHub(t, base);
      // A valid message in front is still served, one behind is not.
      peer.send(echo('1', 'x'), `${text}\u001e`, echo('2', 'x'));
      const { messages, code } = await peer.untilClosed();
      const close = messages.findIndex(({ type }) => type === 7);
      assert.deepEqual(messages[close], { type: 7, error: 'Connection closed with an error.', allowReconnect: true });
      assert.equal(messages.length, close + 1);
      assert.ok(!messages.some(({ invocationId }) => invocationId === '2'));
      assert.equal(code, 1000);
    });

    test(`${text || 'nothing'}: the reason, with detail on (P-CLS-05)`, async t => {
      const peer = await openHub(t, base, '/hub-detailed');
      peer.send(`${text}\u001e`);
      const { messages: [{ error }] } = await peer.untilClosed();
      assert.match(error, /^Connection closed with an error\. InvalidDataException: ./);
      if (reason) assert.equal(error, `Connection closed with an error. InvalidDataException: ${reason}`);
    });
  }
});
