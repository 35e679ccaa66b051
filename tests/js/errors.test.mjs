import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Subject } from '@microsoft/signalr';
import { connect, wires } from './client.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

const couldNotInvoke = target => `Failed to invoke '${target}' due to an error on the server.`;
const failedInside = target => `An unexpected error occurred invoking '${target}' on the server.`;
// Which argument it was stays on the server, in both protocols (P-INV-05).
const bindingError = 'InvalidDataException: Error binding arguments. Make sure that the types of the provided values match ' +
  'the types of the hub method being invoked.';

for (const wire of wires) {
  /** The call fails with exactly this text, and the connection lives on. */
  async function fails(client, text, method, ...args) {
    await assert.rejects(client.invoke(method, ...args), error => {
      assert.equal(error.message, text);
      return true;
    });
    assert.equal(await client.invoke('Echo', 'still here'), 'still here');
  }

  for (const path of ['/hub', '/hub-detailed']) {
    const detailed = path === '/hub-detailed';
    const withDetail = (head, detail) => (detailed ? `${head} ${detail}` : head);

    describe(`errors on ${path} (${wire.name})`, { concurrency: true }, () => {
      test('an unknown method (P-INV-03)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, `${couldNotInvoke('Nope')} HubException: Method does not exist.`, 'Nope');
      });

      test('lifecycle and inherited methods cannot be called (P-INV-02)', async t => {
        const client = await connect(t, base, wire, path);
        for (const method of ['OnConnectedAsync', 'OnDisconnectedAsync', 'Dispose', 'ToString', 'GetHashCode']) {
          await fails(client, `${couldNotInvoke(method)} HubException: Method does not exist.`, method);
        }
      });

      test('the target is echoed as it was sent (P-ERR-05)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, `${couldNotInvoke("nö'pe")} HubException: Method does not exist.`, "nö'pe");
        // The reference gives a known method's declared name in JSON; both are right.
        await assert.rejects(client.invoke('fAIL', 'x'), { message: /^An .* invoking '(fAIL|Fail)' on the server\./ });
      });

      test('a wrong number of arguments (P-INV-05, P-INV-06)', async t => {
        const client = await connect(t, base, wire, path);
        const count = (n, m) => `InvalidDataException: Invocation provides ${n} argument(s) but target expects ${m}.`;
        await fails(client, withDetail(couldNotInvoke('Add'), count(1, 2)), 'Add', 1);
        await fails(client, withDetail(couldNotInvoke('Add'), count(5, 2)), 'Add', 1, 2, [3], { four: 4 }, null);
        await fails(client, withDetail(couldNotInvoke('Nothing'), count(1, 0)), 'Nothing', 1);
      });

      test('a missing optional argument is a wrong count (P-INV-07)', async t => {
        const client = await connect(t, base, wire, path);
        const count = 'InvalidDataException: Invocation provides 1 argument(s) but target expects 2.';
        await fails(client, withDetail(couldNotInvoke('Join'), count), 'Join', 'a');
      });

      test('an argument of the wrong type (P-INV-05)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, withDetail(couldNotInvoke('Add'), bindingError), 'Add', 'one', 2);
        await fails(client, withDetail(couldNotInvoke('Add'), bindingError), 'Add', 1, [2]);
        await fails(client, withDetail(couldNotInvoke('Add'), bindingError), 'Add', 1, 2.5);
        await fails(client, withDetail(couldNotInvoke('Add'), bindingError), 'Add', 2147483648, 1);
        await fails(client, withDetail(couldNotInvoke('Echo'), bindingError), 'Echo', 7);
        await fails(client, withDetail(couldNotInvoke('Echo'), bindingError), 'Echo', { a: 1 });
        await fails(client, withDetail(couldNotInvoke('EchoObject'), bindingError), 'EchoObject', 'text');
      });

      test('null for a value type (P-INV-08)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, withDetail(couldNotInvoke('Add'), bindingError), 'Add', 1, null);
      });

      test('a private error shows its text with detail only (P-INV-13, P-ERR-01)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, withDetail(failedInside('Fail'), 'InvalidOperationException: sécret'), 'Fail', 'sécret');
      });

      test('a public error always shows its text (P-ERR-01, P-ERR-02)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, `${failedInside('FailPublic')} HubException: told you 😀`, 'FailPublic', 'told you 😀');
      });

      test('a caller who may not (P-AUTH-08)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client, "Failed to invoke 'Secret' because user is unauthorized", 'Secret');
        await fails(client, "Failed to invoke 'AdminOnly' because user is unauthorized", 'AdminOnly');
      });

      test('a binding failure comes before authorization (P-INV-11)', async t => {
        const client = await connect(t, base, wire, path);
        const count = 'InvalidDataException: Invocation provides 1 argument(s) but target expects 0.';
        await fails(client, withDetail(couldNotInvoke('Secret'), count), 'Secret', 1);
      });

      test('a streaming method invoked, a plain one streamed (P-STR-02)', async t => {
        const client = await connect(t, base, wire, path);
        await fails(client,
          "The client attempted to invoke the streaming 'Counter' method with a non-streaming invocation.", 'Counter', 1, 0);
        assert.deepEqual(await client.collect('Echo', 'x'), {
          items: [],
          error: "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation.",
        });
      });

      test('a wrong number of uploads (P-UP-03)', async t => {
        const client = await connect(t, base, wire, path);
        const streams = (n, m) => `HubException: Client sent ${n} stream(s), Hub method expects ${m}.`;
        await fails(client, `${failedInside('Sum')} ${streams(0, 1)}`, 'Sum');
        await fails(client, `${failedInside('Nothing')} ${streams(1, 0)}`, 'Nothing', new Subject());
        assert.deepEqual(await client.collect('Relay'), { items: [], error: `${failedInside('Relay')} ${streams(0, 1)}` });
      });

      test('streams that cannot start: unknown method, wrong arguments (P-INV-03, P-INV-05)', async t => {
        const client = await connect(t, base, wire, path);
        assert.deepEqual(await client.collect('Nope'),
          { items: [], error: `${couldNotInvoke('Nope')} HubException: Method does not exist.` });
        const { error } = await client.collect('Counter', 'one', 0);
        assert.equal(error, withDetail(couldNotInvoke('Counter'), bindingError));
      });

      test('a stream that fails first delivers what it had (P-STR-03)', async t => {
        const client = await connect(t, base, wire, path);
        const head = 'An error occurred on the server while streaming results.';
        assert.deepEqual(await client.collect('StreamFail', 3, 'inner'),
          { items: [0, 1, 2], error: withDetail(head, 'InvalidOperationException: inner') });
        assert.deepEqual(await client.collect('StreamFail', 0, 'inner'),
          { items: [], error: withDetail(head, 'InvalidOperationException: inner') });
        assert.deepEqual(await client.collect('StreamFailPublic', 2, 'outer'),
          { items: [0, 1], error: `${head} HubException: outer` });
      });

      test('an uploaded item of the wrong type is an error inside the method only (P-UP-06)', async t => {
        const client = await connect(t, base, wire, path);
        const numbers = new Subject();
        const answer = client.invoke('UploadCatch', numbers);
        numbers.next(1);
        numbers.next('two');
        numbers.complete();
        assert.match(await answer, /^error:Failed to bind Stream message\./);
        assert.equal(await client.invoke('Echo', 'still here'), 'still here');
      });
    });
  }

  describe(`calls without an answer (${wire.name})`, { concurrency: true }, () => {
    test('errors of calls without an id are swallowed (P-INV-04, P-INV-09, P-AUTH-08)', async t => {
      const client = await connect(t, base, wire);
      await client.send('Nope');
      await client.send('Add', 'one');
      await client.send('Fail', 'x');
      await client.send('Secret');
      await client.send('Counter', 1, 0);
      assert.equal(await client.invoke('Echo', 'still here'), 'still here');
    });

    test('a call without an id runs', async t => {
      const client = await connect(t, base, wire);
      await client.send('SendToCaller', 'done');
      assert.deepEqual(await client.inbox('Message').next(), ['done', client.id]);
    });
  });
}
