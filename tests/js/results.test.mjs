import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { isReference, startServer } from './server.mjs';
import { within } from './waiting.mjs';

const base = await startServer();

const failed = (method, text) =>
  ({ message: `An unexpected error occurred invoking '${method}' on the server. HubException: ${text}` });

for (const wire of wires) {
  describe(`client results (${wire.name})`, { concurrency: true }, () => {
    test('AskCaller gets the answer of the caller (P-CR-01)', async t => {
      const client = await connect(t, base, wire, '/hub', { ask: prompt => `${prompt}!` });
      assert.equal(await client.invoke('AskCaller', 'you 😀'), 'you 😀!');
    });

    test('AskClient gets the answer of another client', async t => {
      const caller = await connect(t, base, wire);
      const other = await connect(t, base, wire, '/hub', { ask: async prompt => `${prompt} from the other` });
      assert.equal(await caller.invoke('AskClient', other.id, 'hi'), 'hi from the other');
    });

    test('a client may answer null (P-CR-08)', async t => {
      const client = await connect(t, base, wire, '/hub', { ask: () => null });
      assert.equal(await client.invoke('AskCaller', 'x'), null);
    });

    test('an error of the client comes back with its text (P-CR-04)', async t => {
      const client = await connect(t, base, wire, '/hub', { ask: () => { throw new Error('boom'); } });
      await assert.rejects(client.invoke('AskCaller', 'x'), failed('AskCaller', 'Error: boom'));
    });

    test('a client without a handler (P-CR-07)', async t => {
      const client = await connect(t, base, wire);
      await assert.rejects(client.invoke('AskCaller', 'x'), failed('AskCaller', "Client didn't provide a result."));
    });

    test('an answer of the wrong type leaves the connection up (P-CR-05)', async t => {
      // After an object the reference loses its place in the JSON and ends the connection.
      for (const answer of isReference ? [42, true] : [42, true, ['a'], { not: 'a string' }]) {
        const client = await connect(t, base, wire, '/hub', { ask: () => answer });
        await assert.rejects(client.invoke('AskCaller', 'x'),
          { message: /HubException: Error trying to deserialize result to String\./ });
        assert.equal(await client.invoke('Echo', 'still here'), 'still here');
      }
    });

    test('an unknown connection (P-CR-06)', async t => {
      const client = await connect(t, base, wire);
      await assert.rejects(client.invoke('AskClient', 'nobody', 'x'),
        failed('AskClient', "Connection 'nobody' does not exist."));
    });

    test('a client that leaves without answering (P-CR-06)', async t => {
      const caller = await connect(t, base, wire);
      let asked;
      const wasAsked = new Promise(resolve => { asked = resolve; });
      const other = await connect(t, base, wire, '/hub', { ask: () => (asked(), new Promise(() => {})) });
      const { id } = other;
      const answer = assert.rejects(caller.invoke('AskClient', id, 'x'),
        failed('AskClient', `Connection '${id}' disconnected.`));
      await within(wasAsked, 'the question');
      await other.connection.stop();
      await answer;
    });

    test('waiting for a client frees the caller\'s slot (P-CR-09, P-CR-10)', async t => {
      let client;
      const options = { ask: prompt => client.invoke('Echo', `${prompt}, asked back`) };
      client = await connect(t, base, wire, '/hub', options);
      assert.equal(await client.invoke('AskCaller', 'who'), 'who, asked back');
    });

    test('several questions at once, answered in any order (P-CR-13)', async t => {
      const waiting = new Map();
      let complete;
      const allAsked = new Promise(resolve => { complete = resolve; });
      const ask = prompt => new Promise(answer => {
        waiting.set(prompt, answer);
        if (waiting.size === 3) complete();
      });
      const client = await connect(t, base, wire, '/hub', { ask });
      const answers = ['a', 'b', 'c'].map(prompt => client.invoke('AskCaller', prompt));
      await within(allAsked, 'three questions');
      for (const prompt of ['b', 'c', 'a']) waiting.get(prompt)(`${prompt}!`);
      assert.deepEqual(await Promise.all(answers), ['a!', 'b!', 'c!']);
    });
  });
}
