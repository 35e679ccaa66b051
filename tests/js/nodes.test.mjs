// What several nodes are for, and what happens when one dies. With HUB_NODES=2.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { connect, wires } from './client.mjs';
import { nodeCount, startNodes } from './server.mjs';

const skip = nodeCount < 2 && 'HUB_NODES is not 2: there are no other nodes';

describe('nodes', { skip }, async () => {
  const { base, nodes } = skip ? {} : await startNodes();
  const onEach = (t, options) => Promise.all(nodes.map(node => connect(t, node.base, wires[0], '/hub', options)));

  test('each target reaches clients of both', async t => {
    const [here, there] = await onEach(t);
    const group = randomUUID();
    for (const client of [here, there]) await client.invoke('JoinGroup', group);
    for (const [method, ...args] of [
      ['SendToAll', 'all'],
      ['SendToAllExcept', 'all but me', [here.id]],
      ['SendToOthers', 'others'],
      ['SendToClient', there.id, 'one'],
      ['SendToClients', [here.id, there.id], 'two'],
      ['SendToGroup', group, 'group'],
      ['SendToGroups', [group], 'groups'],
      ['SendToGroupExcept', group, 'group but me', [here.id]],
      ['SendToOthersInGroup', group, 'others in the group'],
    ]) {
      await here.invoke(method, ...args);
      const text = args.find(arg => typeof arg === 'string' && arg !== group && arg !== there.id);
      assert.deepEqual(await there.inbox('Message').next(), [text, here.id]);
    }
  });

  test('what is sent when a call is answered comes behind it, on both', async t => {
    const callers = await onEach(t);
    const members = await onEach(t);
    const group = randomUUID();
    for (const member of members) await member.invoke('JoinGroup', group);
    const said = [];
    for (let pair = 0; pair < 300; pair++) {
      for (const caller of pair % 2 ? callers : callers.toReversed()) {
        said.push(`${pair} ${caller.id}`);
        await caller.invoke('SendToGroup', group, said.at(-1));
      }
    }
    for (const member of members) {
      for (const text of said) assert.equal((await member.inbox('Message').next())[0], text);
    }
  });

  test('a client negotiated by one and connected to the other is reached from both', async t => {
    // As many as it takes for both ways to occur.
    const moved = await Promise.all(Array.from({ length: 8 }, () => connect(t, base, wires[0])));
    for (const caller of await onEach(t)) {
      for (const client of moved) {
        await caller.invoke('SendToClient', client.id, 'hi');
        assert.deepEqual(await client.inbox('Message').next(), ['hi', caller.id]);
      }
    }
  });

  test('a client answers the other node (P-CR-01)', async t => {
    const [here, there] = await onEach(t, { ask: prompt => `${prompt}!` });
    assert.equal(await here.invoke('AskClient', there.id, 'you 😀'), 'you 😀!');
    assert.equal(await there.invoke('AskClient', here.id, 'you'), 'you!');
  });

  test('a node that is killed is not waited for', async t => {
    const [here, there] = await onEach(t, { ask: () => (asked(), new Promise(() => {})) });
    let asked;
    const wasAsked = new Promise(resolve => { asked = resolve; });
    // The client forgets it with its connection.
    const { id } = there;
    const answer = here.invoke('AskClient', id, 'hi');
    await wasAsked;
    await nodes[1].kill();
    await assert.rejects(answer, { message: /HubException: Connection '.*' disconnected\./ });
    // It might be cut off for a moment only, so that the change would be lost.
    await assert.rejects(here.invoke('AddToGroup', id, 'g'), { message: /invoking 'AddToGroup' on the server/ });
    assert.equal(await here.invoke('SendToClient', id, 'hi'), null);
    await assert.rejects(here.invoke('AskClient', id, 'hi'), { message: /does not exist\./ });
  });
});
