import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Subject } from '@microsoft/signalr';
import { connect, wires } from './client.mjs';
import { startServer } from './server.mjs';
import { Inbox, within } from './waiting.mjs';

const base = await startServer();

for (const wire of wires) {
  describe(`streams to the caller (${wire.name})`, { concurrency: true }, () => {
    test('Counter delivers its items in order, then ends without a result (P-STR-01, P-STR-08)', async t => {
      const client = await connect(t, base, wire);
      assert.deepEqual(await client.collect('Counter', 5, 1), { items: [0, 1, 2, 3, 4], error: null });
      assert.deepEqual(await client.collect('Counter', 0, 0), { items: [], error: null });
    });

    test('a long stream keeps its order (P-STR-04)', async t => {
      const client = await connect(t, base, wire);
      const { items, error } = await client.collect('Counter', 3000, 0);
      assert.equal(error, null);
      assert.deepEqual(items, Array.from({ length: 3000 }, (_, i) => i));
    });

    test('Words', async t => {
      const client = await connect(t, base, wire);
      assert.deepEqual(await client.collect('Words', 'one  zwei 三 '), { items: ['one', 'zwei', '三'], error: null });
    });

    test('streams run beside each other and beside calls (P-STR-04, P-INV-21)', async t => {
      const client = await connect(t, base, wire);
      const endless = follow(client, 'Infinite', 1);
      assert.equal(await endless.items.next(), 0);
      const [counter, words, echo] = await Promise.all([
        client.collect('Counter', 3, 5), client.collect('Words', 'a b'), client.invoke('Echo', 'x'),
      ]);
      assert.deepEqual(counter, { items: [0, 1, 2], error: null });
      assert.deepEqual(words, { items: ['a', 'b'], error: null });
      assert.equal(echo, 'x');
      assert.equal(await endless.items.next(), 1);
      endless.cancel();
    });

    test('cancelling Infinite stops its producer (P-CAN-02)', async t => {
      const client = await connect(t, base, wire);
      const endless = follow(client, 'Infinite', 1);
      assert.equal(await endless.items.next(), 0);
      assert.equal(await endless.items.next(), 1);
      endless.cancel();
      assert.deepEqual(await client.inbox('StreamCanceled').next(), []);
      assert.equal(await client.invoke('Echo', 'still here'), 'still here');
    });

    test('cancelling one of two streams leaves the other', async t => {
      const client = await connect(t, base, wire);
      const [one, two] = [follow(client, 'Infinite', 1), follow(client, 'Infinite', 1)];
      assert.equal(await one.items.next(), 0);
      assert.equal(await two.items.next(), 0);
      one.cancel();
      await client.inbox('StreamCanceled').next();
      const ahead = two.items.rest.length;
      for (let i = 1; i <= ahead + 3; i++) assert.equal(await two.items.next(), i);
      assert.deepEqual(client.inbox('StreamCanceled').rest, []);
      two.cancel();
      await client.inbox('StreamCanceled').next();
    });
  });

  describe(`streams from the caller (${wire.name})`, { concurrency: true }, () => {
    test('Sum and Concat read an upload to its end (P-UP-01, P-UP-02)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await upload(client, 'Sum', [1, 2, 3, -10]), -4);
      assert.equal(await upload(client, 'Sum', []), 0);
      assert.equal(await upload(client, 'Concat', ['a', '', 'ü', '😀']), 'aü😀');
    });

    test('an upload longer than the buffer arrives complete (P-UP-07)', async t => {
      const client = await connect(t, base, wire);
      const numbers = Array.from({ length: 500 }, (_, i) => i);
      assert.equal(await upload(client, 'Sum', numbers), 124750);
    });

    test('null items are legal (P-UP-12)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await upload(client, 'Concat', ['a', null, 'b']), 'ab');
    });

    test('an upload of items one after the other, each after the answer to a call', async t => {
      const client = await connect(t, base, wire);
      const numbers = new Subject();
      const sum = client.invoke('Sum', numbers);
      for (const number of [1, 20, 300]) {
        numbers.next(number);
        // An upload holds no invocation slot (P-INV-21).
        assert.equal(await client.invoke('Echo', 'meanwhile'), 'meanwhile');
      }
      numbers.complete();
      assert.equal(await sum, 321);
    });

    test('Relay streams both ways at once (P-UP-15)', async t => {
      const client = await connect(t, base, wire);
      const numbers = new Subject();
      const doubled = follow(client, 'Relay', numbers);
      for (const number of [1, 2, 3]) {
        numbers.next(number);
        assert.equal(await doubled.items.next(), number * 2);
      }
      numbers.complete();
      assert.equal(await doubled.ended(), null);
    });

    test('TwoUploads binds its streams by position (P-UP-04)', async t => {
      const client = await connect(t, base, wire);
      const [numbers, texts] = [new Subject(), new Subject()];
      const answer = client.invoke('TwoUploads', numbers, 'prefix', texts);
      texts.next('a');
      numbers.next(1);
      texts.next('b');
      numbers.next(2);
      texts.complete();
      numbers.complete();
      assert.equal(await answer, 'prefix:3:ab');
    });

    test('UploadCatch sees the end of an upload, or its error (P-UP-08)', async t => {
      const client = await connect(t, base, wire);
      assert.equal(await upload(client, 'UploadCatch', [1, 2]), 'ok:2');
      const numbers = new Subject();
      const answer = client.invoke('UploadCatch', numbers);
      numbers.next(1);
      numbers.error(new Error('out of numbers'));
      assert.equal(await answer, 'error:out of numbers');
    });

    test('an upload that ends in an error fails a method that does not catch it (P-UP-08)', async t => {
      const client = await connect(t, base, wire);
      const numbers = new Subject();
      const answer = client.invoke('Sum', numbers);
      numbers.error(new Error('out of numbers'));
      await assert.rejects(answer,
        { message: "An unexpected error occurred invoking 'Sum' on the server. HubException: out of numbers" });
    });

    test('a call without an id may upload too (P-UP-01)', async t => {
      const client = await connect(t, base, wire);
      const numbers = new Subject();
      await client.send('Sum', numbers);
      numbers.next(1);
      numbers.complete();
      assert.equal(await client.invoke('Echo', 'still here'), 'still here');
    });
  });
}

/** Reads a stream item by item. */
function follow(client, method, ...args) {
  const items = new Inbox(`an item of ${method}`);
  let subscription;
  const ended = new Promise(resolve => {
    subscription = client.connection.stream(method, ...args).subscribe({
      next: item => items.push(item),
      complete: () => resolve(null),
      error: error => resolve(error.message),
    });
  });
  return { items, ended: () => within(ended, `the end of ${method}`), cancel: () => subscription.dispose() };
}

/** Calls a method with one upload of these items. */
function upload(client, method, items) {
  const subject = new Subject();
  const answer = client.invoke(method, subject);
  for (const item of items) subject.next(item);
  subject.complete();
  return answer;
}
