import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { startServer } from './server.mjs';

const base = await startServer();

for (const wire of wires) {
  const connectMany = (t, count) => Promise.all(Array.from({ length: count }, () => connect(t, base, wire)));

  /**
   * The texts a client got from `sender` so far. A last message marks "so far": sends of one caller arrive in their order
   * (P-LT-16). Messages of other tests, which share the hub, are left out.
   */
  async function received(client, sender) {
    const mark = randomUUID();
    await sender.invoke('SendToClient', client.id, mark);
    const messages = await client.inbox('Message').until(([text]) => text === mark);
    return messages.filter(([text, from]) => from === sender.id && text !== mark).map(([text]) => text);
  }

  describe(`sends (${wire.name})`, { concurrency: true }, () => {
    test('SendToCaller reaches the caller alone', async t => {
      const [caller, other] = await connectMany(t, 2);
      assert.equal(await caller.invoke('SendToCaller', 'hi'), null);
      assert.deepEqual(await received(caller, caller), ['hi']);
      assert.deepEqual(await received(other, caller), []);
    });

    test('SendToAll and Broadcast reach everyone', async t => {
      const clients = await connectMany(t, 3);
      const news = randomUUID();
      await clients[0].invoke('SendToAll', 'hi');
      await clients[0].invoke('Broadcast', news);
      for (const client of clients) {
        assert.deepEqual(await received(client, clients[0]), ['hi']);
        await client.inbox('Receive').until(([text]) => text === news);
      }
    });

    test('SendToOthers leaves out the caller', async t => {
      const [caller, ...others] = await connectMany(t, 3);
      await caller.invoke('SendToOthers', 'hi');
      assert.deepEqual(await received(caller, caller), []);
      for (const other of others) assert.deepEqual(await received(other, caller), ['hi']);
    });

    test('SendToAllExcept leaves out the named, unknown names do not matter (P-LT-04)', async t => {
      const [caller, left, reached] = await connectMany(t, 3);
      await caller.invoke('SendToAllExcept', 'hi', [left.id, 'nobody']);
      assert.deepEqual(await received(caller, caller), ['hi']);
      assert.deepEqual(await received(left, caller), []);
      assert.deepEqual(await received(reached, caller), ['hi']);
    });

    test('SendToClient and SendToClients reach the named (P-LT-03)', async t => {
      const [caller, one, two] = await connectMany(t, 3);
      await caller.invoke('SendToClient', one.id, 'one');
      await caller.invoke('SendToClient', 'nobody', 'none');
      await caller.invoke('SendToClients', [one.id, two.id, 'nobody'], 'both');
      await caller.invoke('SendToClients', [], 'none');
      assert.deepEqual(await received(one, caller), ['one', 'both']);
      assert.deepEqual(await received(two, caller), ['both']);
      assert.deepEqual(await received(caller, caller), []);
    });

    test('SendToClients with a repeated id delivers once (P-LT-05)', async t => {
      const [caller, other] = await connectMany(t, 2);
      await caller.invoke('SendToClients', [other.id, other.id], 'once');
      assert.deepEqual(await received(other, caller), ['once']);
    });

    test('connection ids are matched exactly (P-LT-07)', async t => {
      const [caller, other] = await connectMany(t, 2);
      const swapped = other.id.replace(/[a-z]/gi, c => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
      await caller.invoke('SendToClient', swapped, 'no');
      assert.deepEqual(await received(other, caller), []);
    });

    test('SendObject sends a nested object', async t => {
      const client = await connect(t, base, wire);
      const child = { Name: 'c', Value: 2, Ratio: 0.5, Tags: ['t'], Child: null };
      const sample = { Name: 'n', Value: 1, Ratio: 1.5, Tags: [], Child: child };
      await client.invoke('SendObject', sample);
      assert.deepEqual(await client.inbox('Object').next(), [sample]);
    });

    test('a client gets messages in the order of their sending (P-LT-16)', async t => {
      const [caller, other] = await connectMany(t, 2);
      const texts = Array.from({ length: 50 }, (_, i) => `message ${i}`);
      for (const text of texts) caller.send('SendToClient', other.id, text);
      assert.deepEqual(await received(other, caller), texts);
    });

    test('a send to a connection that has ended is silent (P-LT-17)', async t => {
      const [caller, gone] = await connectMany(t, 2);
      const { id } = gone;
      await gone.connection.stop();
      assert.equal(await caller.invoke('SendToClient', id, 'hi'), null);
    });
  });

  describe(`groups (${wire.name})`, { concurrency: true }, () => {
    test('SendToGroup reaches members, the caller among them only if a member', async t => {
      const [caller, member, outsider] = await connectMany(t, 3);
      const group = randomUUID();
      await member.invoke('JoinGroup', group);
      await caller.invoke('SendToGroup', group, 'one');
      await caller.invoke('JoinGroup', group);
      await caller.invoke('SendToGroup', group, 'two');
      assert.deepEqual(await received(member, caller), ['one', 'two']);
      assert.deepEqual(await received(caller, caller), ['two']);
      assert.deepEqual(await received(outsider, caller), []);
    });

    test('LeaveGroup ends membership; joining and leaving twice is fine (P-LT-08)', async t => {
      const [caller, member] = await connectMany(t, 2);
      const group = randomUUID();
      await member.invoke('JoinGroup', group);
      await member.invoke('JoinGroup', group);
      await caller.invoke('SendToGroup', group, 'one');
      // Between nodes it might come when its receiver has left.
      assert.deepEqual(await received(member, caller), ['one']);
      await member.invoke('LeaveGroup', group);
      await caller.invoke('SendToGroup', group, 'two');
      await member.invoke('LeaveGroup', group);
      assert.deepEqual(await received(member, caller), []);
    });

    test('AddToGroup and RemoveFromGroup act on another connection (P-LT-08)', async t => {
      const [caller, member] = await connectMany(t, 2);
      const group = randomUUID();
      await caller.invoke('AddToGroup', member.id, group);
      await caller.invoke('SendToGroup', group, 'one');
      await caller.invoke('RemoveFromGroup', member.id, group);
      await caller.invoke('SendToGroup', group, 'two');
      assert.deepEqual(await received(member, caller), ['one']);
      assert.equal(await caller.invoke('AddToGroup', 'nobody', group), null);
      assert.equal(await caller.invoke('RemoveFromGroup', 'nobody', group), null);
    });

    test('SendToGroups delivers once per group (P-LT-05), unknown groups are silent (P-LT-03)', async t => {
      const [caller, inBoth, inOne] = await connectMany(t, 3);
      const groups = [randomUUID(), randomUUID()];
      for (const group of groups) await inBoth.invoke('JoinGroup', group);
      await inOne.invoke('JoinGroup', groups[0]);
      await caller.invoke('SendToGroups', [...groups, randomUUID()], 'hi');
      await caller.invoke('SendToGroup', randomUUID(), 'nobody');
      assert.deepEqual(await received(inBoth, caller), ['hi', 'hi']);
      assert.deepEqual(await received(inOne, caller), ['hi']);
    });

    test('SendToGroups with an empty name fails (P-LT-06)', async t => {
      const client = await connect(t, base, wire);
      await assert.rejects(client.invoke('SendToGroups', [''], 'hi'),
        { message: "An unexpected error occurred invoking 'SendToGroups' on the server." });
    });

    test('SendToGroupExcept and SendToOthersInGroup leave out the named and the caller', async t => {
      const [caller, left, reached] = await connectMany(t, 3);
      const group = randomUUID();
      for (const client of [caller, left, reached]) await client.invoke('JoinGroup', group);
      await caller.invoke('SendToGroupExcept', group, 'except', [left.id]);
      await caller.invoke('SendToOthersInGroup', group, 'others');
      assert.deepEqual(await received(caller, caller), ['except']);
      assert.deepEqual(await received(left, caller), ['others']);
      assert.deepEqual(await received(reached, caller), ['except', 'others']);
    });

    test('group names are matched exactly (P-LT-07)', async t => {
      const [caller, member] = await connectMany(t, 2);
      const group = `Group ${randomUUID()}`;
      await member.invoke('JoinGroup', group);
      await caller.invoke('SendToGroup', group.toUpperCase(), 'no');
      await caller.invoke('SendToGroup', group, 'yes');
      assert.deepEqual(await received(member, caller), ['yes']);
    });
  });

  describe(`users (${wire.name})`, { concurrency: true }, () => {
    const connectAs = async (t, user) => {
      const token = await (await fetch(`${base}/token?user=${encodeURIComponent(user)}`)).text();
      return connect(t, base, wire, '/hub', { token });
    };

    test('SendToUser reaches all connections of a user (P-LT-13), by the exact name (P-LT-07)', async t => {
      const [ann, bob] = [`ann ${randomUUID()}`, `bob ${randomUUID()}`];
      const caller = await connect(t, base, wire);
      const anns = [await connectAs(t, ann), await connectAs(t, ann)];
      const other = await connectAs(t, bob);
      await caller.invoke('SendToUser', ann, 'hi');
      await caller.invoke('SendToUser', ann.toUpperCase(), 'no');
      await caller.invoke('SendToUser', randomUUID(), 'nobody');
      for (const client of anns) assert.deepEqual(await received(client, caller), ['hi']);
      assert.deepEqual(await received(other, caller), []);
      assert.deepEqual(await received(caller, caller), []);
    });

    test('SendToUsers reaches the named users, once each (P-LT-05)', async t => {
      const [ann, bob, cid] = ['ann', 'bob', 'cid'].map(name => `${name} ${randomUUID()}`);
      const caller = await connectAs(t, cid);
      const [one, two] = [await connectAs(t, ann), await connectAs(t, bob)];
      await caller.invoke('SendToUsers', [ann, bob, ann], 'hi');
      assert.deepEqual(await received(one, caller), ['hi']);
      assert.deepEqual(await received(two, caller), ['hi']);
      assert.deepEqual(await received(caller, caller), []);
    });
  });
}

describe('sends across protocols', { concurrency: true }, () => {
  test('one send reaches clients of every wire in their own protocol (P-LT-14)', async t => {
    const clients = await Promise.all(wires.map(wire => connect(t, base, wire)));
    const text = `to everyone ${randomUUID()} 😀`;
    await clients[0].invoke('SendToAll', text);
    for (const client of clients) {
      const messages = await client.inbox('Message').until(message => message[0] === text);
      assert.deepEqual(messages.at(-1), [text, clients[0].id]);
    }
  });
});
