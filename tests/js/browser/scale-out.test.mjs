// The chat of two nodes in a real browser, started as a user would: by examples/scale-out/run.
//
// SCALE_OUT is the program of a node, taken relative to the project's root (default: what cargo built last). Without a
// browser or redis-server the tests are skipped.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { built, start, stop } from './programs.mjs';
import { Tab, noBrowser } from './tab.mjs';

const noRedis = spawnSync('redis-server', ['--version']).error ? 'there is no redis-server' : false;

/** The script with ports that are free, and a Redis of its own. */
function run() {
  const env = { SCALE_OUT: built('SCALE_OUT', 'scale-out'), REDIS_URL: '' };
  return start('examples/scale-out/run', ['0', '0'], { urls: 2, env });
}

/** The ids of the processes that the script says it has started. */
function nodesOf(program) {
  return program.lines.map(line => /^node \d, process (\d+):/.exec(line)?.[1]).filter(Boolean).map(Number);
}

function isAlive(id) {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}

test('people of two nodes share a room', { skip: noBrowser || noRedis }, async t => {
  const both = await run();
  const [one, two] = both.urls;
  assert.notEqual(one, two);
  const ann = await Tab.enter(t, `${one}/#tea`, 'Ann');
  await ann.say('anybody?');
  await ann.sees('Ann', 'anybody?');

  const bob = await Tab.open(t, `${two}/#tea`);
  await bob.tryToEnter('ann');
  await bob.page.getByText('The nickname ann is taken.').waitFor();
  await bob.tryToEnter('Bob');
  await bob.sees('Ann', 'anybody?');
  await ann.seesNotice('Bob came in');
  await ann.seesOnline('Ann (you)', 'Bob');
  await bob.seesOnline('Ann', 'Bob (you)');

  await bob.page.getByLabel('Message', { exact: true }).pressSequentially('h');
  await ann.page.getByText('Bob is typing…').waitFor();
  await bob.say('hello from the other node');
  await ann.sees('Bob', 'hello from the other node');
  await ann.say('welcome');
  await bob.sees('Ann', 'welcome');
  await ann.online('Bob').click();
  await ann.say('psst');
  await bob.place('Ann').locator('.badge').getByText('1').waitFor();
  await bob.place('Ann').click();
  await bob.sees('Ann', 'psst');

  await ann.place('tea').click();
  await bob.page.close();
  await ann.seesNotice('Bob left');
  await ann.seesOnline('Ann (you)');

  // Told to stop, the script ends what it has started.
  assert.equal(await stop(both), 143);
  await ann.is('reconnecting');
  assert.deepEqual(nodesOf(both).filter(isAlive), []);
});
